import { readdirSync, readFileSync } from 'node:fs';
import { procLink, type ProcessFacts } from './processes.js';
import { netnsOfThisProcess } from './service.js';

/**
 * Network namespaces that the processes keep alive by a descriptor or by a thread in them, except that of the tests and
 * those of the filter compilers. Rings keep their namespaces alive, too, see `mappedRings`.
 *
 * @returns their inode numbers
 */
export function heldNamespaces(processes: readonly ProcessFacts[]): number[] {
  const ours = netnsOfThisProcess();
  const held = processes
    .filter(({ command }) => !command.startsWith('packetflix: filter compiler'))
    .flatMap(({ pid }) => [...byDescriptor(pid), ...byThread(pid)]);
  return [...new Set(held)].filter((inode) => inode !== ours);
}

function byDescriptor(pid: number): number[] {
  return namesIn(`/proc/${pid}/fd`).flatMap((name) => inodeOf(`/proc/${pid}/fd/${name}`));
}

function byThread(pid: number): number[] {
  return namesIn(`/proc/${pid}/task`).flatMap((name) => inodeOf(`/proc/${pid}/task/${name}/ns/net`));
}

/** Number of packet-socket rings that a process has mapped; a mapping outlives the descriptor of its socket. */
export function mappedRings(pid: number): number {
  return readFileSync(`/proc/${pid}/maps`, 'latin1')
    .split('\n')
    .filter((line) => / socket:\[\d+\]/.test(line)).length;
}

function inodeOf(path: string): number[] {
  const [, inode] = /^net:\[(\d+)\]$/.exec(procLink(path)) ?? [];
  return inode === undefined ? [] : [Number(inode)];
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // ENOENT: the process has ended
  }
}
