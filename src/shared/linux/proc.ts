/** Reading /proc, see proc(5). The root is a parameter, so that a checked-in tree can test it. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Flag of open(2) that Node does not export: a descriptor of a path, whatever is there, without opening it. The same number on
 * x64 and arm64; O_DIRECTORY and O_NOFOLLOW differ, so take those from `fs.constants`.
 */
export const O_PATH = 0o10000000;

/** Field numbers of /proc/PID/stat, see proc_pid_stat(5); counted from 1. */
const STAT_PPID = 4;
const STAT_STARTTIME = 22;
/** The first field after the command name. */
const STAT_AFTER_COMM = 3;

export interface ProcessStat {
  readonly parent: number;
  /** In clock ticks since boot. */
  readonly startTime: number;
}

/** The content of a /proc/PID/stat. The command name may hold spaces and parentheses: count from the last one. */
export function parseProcessStat(stat: string): ProcessStat {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    parent: Number(fields[STAT_PPID - STAT_AFTER_COMM]),
    startTime: Number(fields[STAT_STARTTIME - STAT_AFTER_COMM]),
  };
}

/** @returns undefined when there is no such process (any more) */
export function readProcessStat(procRoot: string, pid: number): ProcessStat | undefined {
  const stat = readText(`${procRoot}/${pid}/stat`);
  return stat === undefined ? undefined : parseProcessStat(stat);
}

/** All process ids in ascending order, so long-lived processes come first. */
export function listProcesses(procRoot: string): number[] {
  return listNumbers(procRoot);
}

/** Ids of all threads of a process but the first, whose id is that of the process. */
export function listOtherThreads(procRoot: string, pid: number): number[] {
  return listNumbers(`${procRoot}/${pid}/task`).filter((tid) => tid !== pid);
}

/** Open descriptors of a process; none when we may not read them. */
export function listDescriptors(procRoot: string, pid: number): number[] {
  return listNumbers(`${procRoot}/${pid}/fd`);
}

/** @returns undefined when the file has gone or we may not read it */
export function readText(path: string, encoding: 'latin1' | 'utf8' = 'latin1'): string | undefined {
  try {
    return readFileSync(path, encoding);
  } catch {
    return undefined; // ENOENT or ESRCH: the process has ended; EACCES: see above
  }
}

/** @returns undefined when the link has gone or we may not read it */
export function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // as in `readText`
  }
}

function listNumbers(folder: string): number[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return []; // the process has ended, or we may not read it: then we could not open what it holds either
  }
  const numbers: number[] = [];
  for (const name of names) {
    const number = Number(name);
    if (Number.isInteger(number)) numbers.push(number);
  }
  return numbers.sort((a, b) => a - b);
}

/** A bind-mounted namespace in a mount namespace. */
export interface NamespaceMount {
  /** Inode number of the network namespace. */
  readonly netns: number;
  /** Mount point, as seen from the root of the process whose mountinfo it is. */
  readonly path: string;
}

/** Fields of a /proc/PID/mountinfo line, see proc_pid_mountinfo(5); counted from 0. */
const MOUNT_ROOT = 3;
const MOUNT_POINT = 4;

/** The network namespaces among the mounts: file system type nsfs, root `net:[INODE]`. */
export function parseNamespaceMounts(mountinfo: string): NamespaceMount[] {
  const mounts: NamespaceMount[] = [];
  for (const line of mountinfo.split('\n')) {
    if (!line.includes(' - nsfs ')) continue;
    const fields = line.split(' ');
    const netns = parseNamespaceLink(fields[MOUNT_ROOT] ?? '');
    if (netns !== undefined) mounts.push({ netns, path: unescapeOctal(fields[MOUNT_POINT] ?? '') });
  }
  return mounts;
}

/** The inode number in `net:[4026531840]`. */
export function parseNamespaceLink(link: string): number | undefined {
  if (!link.startsWith('net:[') || !link.endsWith(']')) return undefined;
  return Number(link.slice('net:['.length, -1));
}

/** mountinfo escapes white space and backslashes of paths, byte by byte, as \ooo. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
