import { readdirSync, readFileSync } from 'node:fs';

/** Memory in pages, second field: see proc_pid_statm(5). */
const STATM_RESIDENT = 1;
const PAGE_KIB = 4;
/** Of proc_pid_stat(5), counted from behind the command's closing parenthesis. */
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
