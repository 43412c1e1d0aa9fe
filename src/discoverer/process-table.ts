import {
  listProcesses,
  parseNamespaceLink,
  parseProcessStat,
  readLink,
  readText,
} from '../shared/linux/proc.js';

/** One process at the time of the scan. */
export interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  /** In clock ticks since boot. */
  readonly startTime: number;
  /** Its `comm`, see proc_pid_comm(5): at most 15 bytes of the program's file name, or of the name that it has set. */
  readonly command: string;
  /** Inode number of the network namespace of its first thread; 0: it has ended, or we may not read the link. */
  readonly netns: number;
  /** Target of its link `ns/mnt`; empty: it has ended, or we may not read the link. */
  readonly mountNamespace: string;
}

/** Field `flags` of /proc/PID/stat, counted from the first field after `comm`; see proc_pid_stat(5). */
const STAT_FLAGS_AFTER_COMM = 6;
/** linux/sched.h */
const PF_KTHREAD = 0x00200000;

export type ProcessTable = ReadonlyMap<number, ProcessFacts>;

/** Reads all processes except kernel threads, in ascending order of their ids. */
export function readProcessTable(procRoot: string): ProcessTable {
  const table = new Map<number, ProcessFacts>();
  for (const pid of listProcesses(procRoot)) {
    const facts = readProcess(procRoot, pid);
    if (facts) table.set(pid, facts);
  }
  return table;
}

/** @returns undefined for a kernel thread, or when the process has ended */
export function readProcess(procRoot: string, pid: number): ProcessFacts | undefined {
  const stat = readText(`${procRoot}/${pid}/stat`);
  if (stat === undefined) return undefined;
  const endOfCommand = stat.lastIndexOf(')');
  const flags = Number(
    stat.slice(endOfCommand + 2).split(' ', STAT_FLAGS_AFTER_COMM + 1)[STAT_FLAGS_AFTER_COMM],
  );
  if ((flags & PF_KTHREAD) !== 0) return undefined;
  return {
    pid,
    ...parseProcessStat(stat),
    command: decodeCommand(stat.slice(stat.indexOf('(') + 1, endOfCommand)),
    netns: parseNamespaceLink(readLink(`${procRoot}/${pid}/ns/net`) ?? '') ?? 0,
    mountNamespace: readLink(`${procRoot}/${pid}/ns/mnt`) ?? '',
  };
}

/** The oldest process; of two that started in the same clock tick, the one with the lower id. */
export function oldest(processes: Iterable<ProcessFacts>): ProcessFacts | undefined {
  let found: ProcessFacts | undefined;
  for (const each of processes) {
    const isOlder =
      !found ||
      each.startTime < found.startTime ||
      (each.startTime === found.startTime && each.pid < found.pid);
    if (isOlder) found = each;
  }
  return found;
}

/** The command line of a process, the first 64 KiB of it; empty when it has ended. */
export function readArguments(procRoot: string, pid: number): string[] {
  return readText(`${procRoot}/${pid}/cmdline`, 'utf8')?.split('\0') ?? [];
}

/** The kernel writes the bytes of `comm` as they are, except newline and backslash, which it writes as `\n` and `\\`. */
function decodeCommand(bytes: string): string {
  const plain = bytes.replace(/\\([n\\])/g, (_, letter: string) => (letter === 'n' ? '\n' : '\\'));
  return Buffer.from(plain, 'latin1').toString('utf8');
}
