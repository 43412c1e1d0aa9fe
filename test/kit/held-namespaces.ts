import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import type { ProcessFacts } from './processes.js';

/**
 * Network namespaces that processes keep alive besides the one of the tests: by a descriptor, by a thread that is in it,
 * or by the memory of a ring, which outlives the descriptor of its socket.
 *
 * @returns their inode numbers; 0 stands for that of a ring, which nobody tells
 */
export function heldNamespaces(processes: readonly ProcessFacts[]): number[] {
  const ours = statSync('/proc/self/ns/net').ino;
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

/** Rings of packet sockets that a process has in its memory. */
export function mappedRings(pid: number): number {
  return readFileSync(`/proc/${pid}/maps`, 'latin1')
    .split('\n')
    .filter((line) => / socket:\[\d+\]/.test(line)).length;
}

function inodeOf(path: string): number[] {
  try {
    const [, inode] = /^net:\[(\d+)\]$/.exec(readlinkSync(path)) ?? [];
    return inode === undefined ? [] : [Number(inode)];
  } catch {
    return []; // gone meanwhile
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // the process has ended meanwhile
  }
}
