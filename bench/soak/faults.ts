import { setTimeout as sleep } from 'node:timers/promises';
import type { Service } from '../../test/kit/service.js';
import { roleOf } from './samples.js';

/** What is done to a process: ended without a word, or kept from running for a moment that must not matter. */
export type Fault = 'kill engine' | 'kill discovery' | 'kill server' | 'stop engine';

/** Restart, first connection, and requests that were under way. */
const AFTERMATH_MS = 15_000;
/** Less than what the watchdog takes for a hang, and than what the rings of the steady captures have room for. */
const STOP_MS = 1_000;

/** Does harm to the service and remembers when, so that what fails then is no surprise. */
export class Faults {
  private readonly times: number[] = [];
  /** The engine that lives through it all, for its memory to be followed from beginning to end. */
  private readonly spared: number;

  constructor(private readonly service: Service) {
    this.spared = this.engines[0] ?? 0;
  }

  /** Comes back when the fault is over, not its aftermath. */
  async inflict(fault: Fault): Promise<void> {
    const [verb, role = ''] = fault.split(' ');
    const candidates = this.inRole(role);
    const pid = candidates.find((candidate) => candidate !== this.spared) ?? candidates[0];
    if (pid === undefined) throw new Error(`there is no ${role} to ${verb}`);
    this.times.push(performance.now());
    if (verb === 'kill') {
      process.kill(pid, 'SIGKILL');
      return;
    }
    process.kill(pid, 'SIGSTOP');
    await sleep(STOP_MS);
    process.kill(pid, 'SIGCONT');
  }

  /** Whether something that began then may have failed for a fault. */
  excuse(beganMs: number): boolean {
    return this.times.some((time) => time > beganMs - AFTERMATH_MS);
  }

  /** Their process numbers. */
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
