import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { Child } from './child.js';
import { eventually } from './eventually.js';

/** Field 22 of proc_pid_stat(5), counted from behind the command name. */
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
