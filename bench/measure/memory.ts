import { readFileSync } from 'node:fs';
import { cpuOfTrees } from './cpu.js';

/**
 * Memory of process trees in MiB: the proportional set size, so that pages which several processes share count once.
 * The rings of packet sockets are in it, as far as they have been touched.
 */
export function memoryOfTreesMiB(roots: readonly number[]): number {
  const kib = cpuOfTrees(roots).map(({ pid }) => proportionalKiB(pid));
  return kib.reduce((sum, each) => sum + each, 0) / 1024;
}

function proportionalKiB(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0; // it has ended meanwhile
  }
}
