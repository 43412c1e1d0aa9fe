import { readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { Child } from './child.js';
import { eventually } from './eventually.js';

/** Memory in pages, second field: see proc_pid_statm(5). */
const STATM_RESIDENT = 1;
const PAGE_KIB = 4;
/** Of proc_pid_stat(5), counted from after the command's closing parenthesis. */
const STAT_STATE = 0;
const STAT_PARENT = 1;

export interface ProcessFacts {
  readonly pid: number;
  readonly command: string;
  readonly descriptors: readonly string[];
  readonly threads: number;
  readonly residentKiB: number;
}

/** A process and all that descend from it, those that have ended left out. */
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

/** Unlike a signal, this takes no notice of zombies. */
export function isAlive(pid: number): boolean {
  return parentOf(pid) !== undefined;
}

function parentOf(pid: number): number | undefined {
  const fields = ifStillThere(() => readFileSync(`/proc/${pid}/stat`, 'latin1'))
    ?.replace(/^.*\) /s, '')
    .split(' ');
  return fields && fields[STAT_STATE] !== 'Z' ? Number(fields[STAT_PARENT]) : undefined;
}

function factsOf(pid: number): ProcessFacts | undefined {
  return ifStillThere(() => ({
    pid,
    command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
    descriptors: readdirSync(`/proc/${pid}/fd`),
    threads: readdirSync(`/proc/${pid}/task`).length,
    residentKiB:
      Number(readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ')[STATM_RESIDENT] ?? NaN) * PAGE_KIB,
  }));
}

/** Processes end while one looks at them. */
function ifStillThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) {
      return undefined;
    }
    throw error;
  }
}

/** Field 22 of proc_pid_stat(5), counted from after the command name. */
const STARTTIME_BEHIND_COMM = 19;
/** The number that was given to a process last: writing it decides which is given next. See proc(5). */
const LAST_PID = '/proc/sys/kernel/ns_last_pid';
/** Somebody else on this machine may start a process in between, and keep the number for long. */
const ATTEMPTS = 20;

/** When a process was started, in clock ticks; read in another way than the service does. */
export function startTimeOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const [, fields = ''] = /^.*\) \S (.*)$/s.exec(stat) ?? [];
  return Number(fields.split(' ')[STARTTIME_BEHIND_COMM - 1]);
}

/** Starts a process with the number of one that has ended; undefined: somebody else has that number by now. */
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

/** Waits until a process has moved to the network namespace of this inode. */
export async function inNamespace(pid: number, inode: number): Promise<void> {
  await eventually(
    `process ${pid} in network namespace ${inode}`,
    () => readlinkSync(`/proc/${pid}/ns/net`) === `net:[${inode}]`,
  );
}

/** Who a process is and what it may do, as the kernel tells it in proc_pid_status(5). */
export interface Privileges {
  /** Real, effective, saved and file system id. */
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

/** The privileges of a process, which are those of each of its threads; throws when they differ. */
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

/** From the text of such a file. */
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

/** The same id four times: there is no other to go back to. */
export function only(id: number): number[] {
  return [id, id, id, id];
}

/** A mask of these bit numbers, as the kernel writes it; see linux/capability.h. */
export function mask(...bits: readonly number[]): string {
  return bits
    .reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n)
    .toString(16)
    .padStart(16, '0');
}
