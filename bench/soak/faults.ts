import { setTimeout as sleep } from 'node:timers/promises';
import type { Service } from '../../test/kit/service.js';
import { roleOf } from './samples.js';

/** A process is killed, or stopped for so short a time that it must have no effect. */
export type Fault = 'kill engine' | 'kill discoverer' | 'kill server' | 'stop engine';

/** Time for the restart, the first connection and requests in progress. */
const RECOVERY_MS = 15_000;
/** Less than the watchdog's timeout, and less than the time for which the rings of the steady captures have room. */
const STOP_MS = 1_000;

/** Injects faults and records their times, so that failures can be attributed to them. */
export class Faults {
  private readonly times: number[] = [];
  /** An engine that is never killed, so that its memory can be observed from start to end. */
  private readonly spared: number;

  constructor(private readonly service: Service) {
    this.spared = this.engines[0] ?? 0;
  }

  /** Resolves when the fault is over; the service may still be recovering. */
  async inject(fault: Fault): Promise<void> {
    const [verb, role = ''] = fault.split(' ');
    const candidates = this.inRole(role);
    const pid = candidates.find((candidate) => candidate !== this.spared) ?? candidates[0];
    if (pid === undefined) return; // it rests: nobody has looked up a target for a while
    this.times.push(performance.now());
    if (verb === 'kill') {
      process.kill(pid, 'SIGKILL');
      return;
    }
    process.kill(pid, 'SIGSTOP');
    await sleep(STOP_MS);
    process.kill(pid, 'SIGCONT');
  }

  /** Whether a fault may be the cause of a failure in an action that started at that time. */
  mayExplain(startedAtMs: number): boolean {
    return this.times.some((time) => time > startedAtMs - RECOVERY_MS);
  }

  /** Process IDs of the engines. */
  get engines(): number[] {
    return this.inRole('engine');
  }

  private inRole(role: string): number[] {
    return this.service
      .processes()
      .filter(({ command }) => roleOf(command) === role)
      .map(({ pid }) => pid)
      .sort((a, b) => a - b);
  }
}
