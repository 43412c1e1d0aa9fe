import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../../test/kit/child.js';
import type { TestBed } from '../load/test-bed.js';
import type { Outcome, Run, Subject } from './subject.js';

/** The same as for services, so that idle time costs the same. */
const SETTLE_MS = 1_500;

/** A capture program that discards everything: the reference for its way of capturing. */
export interface CaptureProgram {
  readonly name: string;
  readonly arguments: (interfaceName: string) => readonly string[];
  /** Printed when it captures. */
  readonly ready: RegExp;
  /** Printed at the end: packets written and packets dropped. */
  readonly captured: RegExp;
  readonly dropped: RegExp;
}

export const DUMPCAP: CaptureProgram = {
  name: 'dumpcap',
  arguments: (interfaceName) => ['-q', '-i', interfaceName, '-w', '/dev/null'],
  ready: /File: /,
  captured: /Packets captured: (\d+)/,
  dropped: /received\/dropped on interface .*: \d+\/(\d+)/,
};

export const TCPDUMP: CaptureProgram = {
  name: 'tcpdump',
  arguments: (interfaceName) => ['-n', '-i', interfaceName, '-w', '/dev/null'],
  ready: /listening on/,
  captured: /(\d+) packets? captured/,
  dropped: /(\d+) packets? dropped by kernel/,
};

export class ProgramSubject implements Subject {
  constructor(private readonly program: CaptureProgram) {}

  get name(): string {
    return this.program.name;
  }

  async start(bed: TestBed): Promise<Run> {
    const { name, ready } = this.program;
    const child = await bed.namespace.start(name, ...this.program.arguments(bed.captured()));
    await child.saying(ready);
    return { pids: [child.pid], settle: () => sleep(SETTLE_MS), stop: () => this.stop(child) };
  }

  private async stop(child: Child): Promise<Outcome> {
    child.signal('SIGINT');
    await child.ended;
    const count = (pattern: RegExp) => Number(pattern.exec(child.stderr)?.[1] ?? NaN);
    return { delivered: count(this.program.captured), dropped: count(this.program.dropped) };
  }
}
