import { readFile } from 'node:fs/promises';

/** What a process has taken so far. */
export interface ProcessUsage {
  /** `server`, `supervisor`, `engine-0`, `discoverer`; bounded, so that it can be a label. */
  readonly name: string;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly threads: number;
}

/** USER_HZ, the unit of times in /proc: 100 on all architectures that we run on; see proc_pid_stat(5) and sysconf(3). */
const TICKS_PER_SECOND = 100;

/** Where the fields of proc_pid_stat(5) are behind the name of the process. */
const USER_TIME = 14 - 3;
const SYSTEM_TIME = 15 - 3;

const OWN_TITLE = /^packetflix: (engine \d+|discoverer)/;

/**
 * The processes of the service as the kernel shows them to everybody: this one, the supervisor above it and what that
 * has started. Where /proc is mounted with `hidepid` it is this one alone.
 *
 * @param supervised whether our parent is the supervisor
 */
export async function serviceProcesses(supervised: boolean): Promise<ProcessUsage[]> {
  const { pid, ppid } = process;
  const found = [usage(pid, 'server')];
  if (supervised) {
    found.push(usage(ppid, 'supervisor'));
    const siblings = (await textOf(`/proc/${ppid}/task/${ppid}/children`))
      .split(' ')
      .filter(Boolean)
      .map(Number);
    for (const sibling of siblings.filter((each) => each !== pid)) found.push(titledUsage(sibling));
  }
  return (await Promise.all(found)).filter((each) => each !== undefined);
}

/** Of a process that says itself what it is: engines and the discoverer do. */
async function titledUsage(pid: number): Promise<ProcessUsage | undefined> {
  const title = OWN_TITLE.exec(await textOf(`/proc/${pid}/cmdline`))?.[1];
  return title === undefined ? undefined : usage(pid, title.replace(' ', '-'));
}

async function usage(pid: number, name: string): Promise<ProcessUsage | undefined> {
  const [stat, status] = await Promise.all([textOf(`/proc/${pid}/stat`), textOf(`/proc/${pid}/status`)]);
  if (stat === '' || status === '') return undefined;
  // The name before may hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    name,
    cpuSeconds: (Number(fields[USER_TIME]) + Number(fields[SYSTEM_TIME])) / TICKS_PER_SECOND,
    residentBytes: numberIn(status, /^VmRSS:\s+(\d+) kB$/m) * 1024,
    threads: numberIn(status, /^Threads:\s+(\d+)$/m),
  };
}

function numberIn(status: string, pattern: RegExp): number {
  return Number(pattern.exec(status)?.[1] ?? 0);
}

/** Empty when the process has ended, or is hidden from us. */
function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
