import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientRequest, StreamReport } from './client-messages.js';

const PROGRAM = new URL('./client-program.ts', import.meta.url);
const POLL_MS = 20;

/** Controls the process that runs the clients. */
export class ClientProcess implements Disposable {
  private lastId = 0;

  private constructor(private readonly child: ChildProcess) {}

  static async start(): Promise<ClientProcess> {
    const child = fork(PROGRAM, { serialization: 'advanced' });
    await once(child, 'message');
    return new ClientProcess(child);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Opens captures simultaneously; resolves when each has received its first byte of pcapng. */
  async open(url: string, count = 1, everyLatency = false): Promise<Streams> {
    const ids = Array.from({ length: count }, () => ++this.lastId);
    const streams = new Streams(ids, this);
    this.send({ type: 'open', ids, url, everyLatency });
    await streams.begun();
    return streams;
  }

  send(request: ClientRequest): void {
    this.child.send(request);
  }

  async report(ids: readonly number[], withLatencies: boolean): Promise<StreamReport[]> {
    const answer = once(this.child, 'message');
    this.send({ type: 'report', ids, withLatencies });
    return (await answer)[0] as StreamReport[];
  }

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
  }
}

/** Captures that were opened together. */
export class Streams {
  constructor(
    private readonly ids: readonly number[],
    private readonly client: ClientProcess,
  ) {}

  report(withLatencies = false): Promise<StreamReport[]> {
    return this.client.report(this.ids, withLatencies);
  }

  stall(): void {
    this.client.send({ type: 'stall', ids: this.ids });
  }

  resume(): void {
    this.client.send({ type: 'resume', ids: this.ids });
  }

  close(): void {
    this.client.send({ type: 'close', ids: this.ids });
  }

  /** Resolves when no more packets arrive, or after the timeout. */
  async quiet(quietMs = 300, timeoutMs = 10_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    let last = -1;
    for (;;) {
      const packets = (await this.report()).reduce((sum, each) => sum + each.packets, 0);
      if (packets === last || performance.now() > deadline) return;
      last = packets;
      await sleep(quietMs);
    }
  }

  async begun(timeoutMs = 30_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const reports = await this.report();
      const ended = reports.find(({ closing }) => closing !== undefined);
      if (ended) throw new Error(`a capture ended before it started: ${ended.closing}`);
      if (reports.every(({ firstByteMs }) => firstByteMs !== undefined)) return;
      if (performance.now() > deadline) throw new Error('a capture did not start in time');
      await sleep(POLL_MS);
    }
  }
}
