import { readFileSync, readlinkSync } from 'node:fs';
import { run } from '../../test/kit/run.js';
import type { ServiceAddress } from './service-subject.js';

/** Another service on this machine, and the process that stands for it: the one that listens, or what started it. */
export async function peerAt(text: string): Promise<ServiceAddress> {
  const url = new URL(text.includes('://') ? text : `ws://${text}`);
  const listeners = await run('ss', '-Hltnp', `sport = :${url.port}`);
  const pid = Number(/pid=(\d+)/.exec(listeners)?.[1]);
  if (!pid) {
    throw new Error(
      `nothing on this machine listens on port ${url.port}: the CPU of a peer must be measured here`,
    );
  }
  return { name: `peer ${url.port}`, url: `ws://${url.host}`, pid: topOfProgram(pid) };
}

/** Climbs to the oldest ancestor that runs the same program: services in several processes have a supervisor. */
function topOfProgram(pid: number): number {
  const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  return parent > 1 && programOf(parent) === programOf(pid) ? topOfProgram(parent) : pid;
}

function programOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/exe`);
}
