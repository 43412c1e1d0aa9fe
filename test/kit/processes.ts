import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { Child } from './child.js';
import { eventually } from './eventually.js';

/** Memory in pages, second field: see proc_pid_statm(5). */
const STATM_RESIDENT = 1;
const PAGE_KIB = 4;
/** Fields of proc_pid_stat(5), counted from the one after the command name. */
const STAT_STATE = 0;
const STAT_PARENT = 1;
const STAT_START_TIME = 19;

/** Identifies a process: its id alone may belong to another process, or to a thread of one, soon after its end. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In clock ticks since boot. */
  readonly startTime: number;
}

export interface ProcessFacts extends ProcessIdentity {
  readonly command: string;
  readonly descriptors: readonly string[];
  readonly threads: number;
  readonly residentKiB: number;
}

/** A process and its descendants, without zombies. */
export function processTree(root: number): ProcessFacts[] {
  const children = new Map<number, number[]>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const parent = parentOf(Number(pid));
    if (parent !== undefined) {
      children.set(parent, [...(children.get(parent) ?? []), Number(pid)]);
    }
  }
  const pids = [root];
  for (const pid of pids) {
    pids.push(...(children.get(pid) ?? []));
  }
  return pids.flatMap((pid) => factsOf(pid) ?? []);
}

/** Whether a process exists, alive or as a zombie. */
export function exists({ pid, startTime }: ProcessIdentity): boolean {
  return unlessEnded(() => startTimeOf(pid)) === startTime;
}

/** Whether a process exists and is not a zombie; kill(2) with signal 0 also succeeds for zombies. */
export function isAlive(process: ProcessIdentity): boolean {
  return exists(process) && parentOf(process.pid) !== undefined;
}

function parentOf(pid: number): number | undefined {
  const fields = unlessEnded(() => statFields(pid));
  return fields && fields[STAT_STATE] !== 'Z' ? Number(fields[STAT_PARENT]) : undefined;
}

function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The command name may contain parentheses and spaces.
  return stat.replace(/^.*\) /s, '').split(' ');
}

/** The target of a symbolic link in /proc; empty when the process or descriptor no longer exists. */
export function procLink(path: string): string {
  return unlessEnded(() => readlinkSync(path)) ?? '';
}

function factsOf(pid: number): ProcessFacts | undefined {
  return unlessEnded(() => ({
    pid,
    startTime: startTimeOf(pid),
    command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
    descriptors: readdirSync(`/proc/${pid}/fd`),
    threads: readdirSync(`/proc/${pid}/task`).length,
    residentKiB:
      Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[STATM_RESIDENT] ?? NaN) * PAGE_KIB,
  }));
}

/** Number of threads with that name, see PR_SET_NAME of prctl(2). */
export function threadsNamed(name: string, pid: number): number {
  const threads = unlessEnded(() => readdirSync(`/proc/${pid}/task`)) ?? [];
  const nameOf = (thread: string) => readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim();
  return threads.filter((thread) => unlessEnded(() => nameOf(thread)) === name).length;
}

/** PSS of a process in KiB, see proc_pid_smaps(5): pages that several processes share are divided among them. 0: it has ended. */
export function proportionalKiB(pid: number): number {
  const rollup = unlessEnded(() => readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')) ?? '';
  return Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0);
}

/** Returns undefined when the process has ended while its files were read. */
function unlessEnded<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      return undefined;
    }
    throw error;
  }
}

/** The process ID that was assigned last: writing it determines the next one. See proc_sys_kernel(5). */
const LAST_PID = '/proc/sys/kernel/ns_last_pid';
/** Another program may start a process in between, which then gets the process ID. */
const ATTEMPTS = 20;

/** The start time of a process in clock ticks since boot. */
export function startTimeOf(pid: number): number {
  return Number(statFields(pid)[STAT_START_TIME]);
}

/** Starts a process with the process ID of an ended one; returns undefined when another process has got that ID. */
export async function startWithId(
  pid: number,
  command: string,
  ...args: readonly string[]
): Promise<Child | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    writeFileSync(LAST_PID, String(pid - 1));
    const child = await Child.start(command, args);
    if (child.pid === pid) return child;
    await child[Symbol.asyncDispose]();
  }
  return undefined;
}

/** Waits until a process is in the network namespace with this inode number. */
export async function inNamespace(pid: number, inode: number): Promise<void> {
  await eventually(
    `process ${pid} in network namespace ${inode}`,
    () => readlinkSync(`/proc/${pid}/ns/net`) === `net:[${inode}]`,
  );
}

/** User, groups and capabilities of a process, from proc_pid_status(5). */
export interface Privileges {
  /** Real, effective, saved and file system user ID. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly groups: readonly number[];
  readonly inheritable: string;
  readonly permitted: string;
  readonly effective: string;
  readonly bounding: string;
  readonly ambient: string;
  readonly noNewPrivileges: boolean;
}

export const NO_CAPABILITIES = '0000000000000000';

/** The privileges of a process; throws when those of its threads differ. */
export function privilegesOf(pid: number): Privileges {
  const [first, ...others] = readdirSync(`/proc/${pid}/task`).map((thread) =>
    privilegesIn(readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')),
  );
  if (!first) throw new Error(`process ${pid} has no threads`);
  if (!others.every((other) => isDeepStrictEqual(other, first))) {
    throw new Error(`the threads of process ${pid} differ in their privileges`);
  }
  return first;
}

/** Parses the text of /proc/PID/status. */
export function privilegesIn(status: string): Privileges {
  const field = (name: string): string =>
    new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.trim() ?? '';
  const ids = (name: string): number[] => field(name).split(/\s+/).filter(Boolean).map(Number);
  return {
    uids: ids('Uid'),
    gids: ids('Gid'),
    groups: ids('Groups'),
    inheritable: field('CapInh'),
    permitted: field('CapPrm'),
    effective: field('CapEff'),
    bounding: field('CapBnd'),
    ambient: field('CapAmb'),
    noNewPrivileges: field('NoNewPrivs') === '1',
  };
}

/** The same ID as real, effective, saved and file system ID: the process cannot change back to another. */
export function only(id: number): number[] {
  return [id, id, id, id];
}

/** A capability mask as in /proc/PID/status; see linux/capability.h for the bit numbers. */
export function mask(...bits: readonly number[]): string {
  return bits
    .reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n)
    .toString(16)
    .padStart(16, '0');
}
