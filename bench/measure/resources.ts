import { readFileSync, readdirSync } from 'node:fs';
import { proportionalKiB } from '../../test/kit/processes.js';

/** sysconf(_SC_CLK_TCK) is 100 on every architecture that Node supports. */
const TICKS_PER_SECOND = 100;
/** Fields of proc_pid_stat(5), counted from the one after the command's closing parenthesis. */
const STAT_PARENT = 1;
const STAT_TIMES = [11, 12, 13, 14]; // utime, stime, cutime, cstime
/** Fields of the first line of /proc/stat, after the name: see proc_stat(5). */
const MACHINE_IDLE = [3, 4]; // idle, iowait
const MACHINE_COUNTED = 8; // the guest times that follow are included in user and nice

export interface ProcessTime {
  readonly pid: number;
  readonly role: string;
  /** Of the process and the children that it has waited for. */
  readonly seconds: number;
}

interface Stat {
  readonly parent: number;
  readonly seconds: number;
}

/** CPU time of these processes and their descendants, including those that have ended. */
export function cpuOfTrees(roots: readonly number[]): ProcessTime[] {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) && statOf(Number(name));
    if (stat) stats.set(Number(name), stat);
  }
  const members = new Set(roots);
  for (const member of members) {
    for (const [pid, { parent }] of stats) {
      if (parent === member) members.add(pid);
    }
  }
  return [...members].map((pid) => ({ pid, role: roleOf(pid), seconds: stats.get(pid)?.seconds ?? 0 }));
}

export function totalSeconds(times: readonly ProcessTime[]): number {
  return times.reduce((sum, { seconds }) => sum + seconds, 0);
}

/** CPU seconds by role between two measurements. */
export function secondsByRole(before: readonly ProcessTime[], after: readonly ProcessTime[]) {
  const byRole: Record<string, number> = {};
  for (const { role, seconds } of after) byRole[role] = (byRole[role] ?? 0) + seconds;
  for (const { role, seconds } of before) byRole[role] = (byRole[role] ?? 0) - seconds;
  return byRole;
}

export interface MachineTime {
  readonly busySeconds: number;
  readonly seconds: number;
}

/** CPU time of the whole machine since its start, including interrupts. */
export function cpuOfMachine(): MachineTime {
  const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n');
  const ticks = line
    .trim()
    .split(/\s+/)
    .slice(1, 1 + MACHINE_COUNTED)
    .map(Number);
  const all = ticks.reduce((sum, each) => sum + each, 0);
  const idle = MACHINE_IDLE.reduce((sum, field) => sum + (ticks[field] ?? 0), 0);
  return { busySeconds: (all - idle) / TICKS_PER_SECOND, seconds: all / TICKS_PER_SECOND };
}

/** Busy share of all cores between two measurements, 0 to 1. */
export function busyShare(before: MachineTime, after: MachineTime): number {
  return (after.busySeconds - before.busySeconds) / (after.seconds - before.seconds);
}

function statOf(pid: number): Stat | undefined {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')
      .map(Number);
    const ticks = STAT_TIMES.reduce((sum, field) => sum + (fields[field] ?? 0), 0);
    return { parent: fields[STAT_PARENT] ?? 0, seconds: ticks / TICKS_PER_SECOND };
  } catch {
    return undefined; // ENOENT or ESRCH: the process has ended
  }
}

/** Processes of the service have titles like "packetflix: engine 0"; the role of others is their program name. */
function roleOf(pid: number): string {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    const title = /^packetflix: (.*?)(?: \d+)?$/.exec(words[0] ?? '')?.[1];
    const main = words.findIndex((word) => word.endsWith('dist/main.js'));
    if (title !== undefined) return title;
    if (main < 0) return words[0]?.replace(/^.*\//, '') ?? '';
    return /^[a-z]/.test(words[main + 1] ?? '') ? (words[main + 1] ?? '') : 'supervisor';
  } catch {
    return 'ended'; // ENOENT or ESRCH
  }
}

/**
 * Memory of process trees in MiB: the proportional set size, in which shared pages count once. It includes the rings of
 * packet sockets as far as they have been touched.
 */
export function memoryOfTreesMiB(roots: readonly number[]): number {
  const kib = cpuOfTrees(roots).map(({ pid }) => proportionalKiB(pid));
  return kib.reduce((sum, each) => sum + each, 0) / 1024;
}
