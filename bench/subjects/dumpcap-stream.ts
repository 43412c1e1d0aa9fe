import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { PcapngWalker } from '../client/pcapng-walker.js';
import { WallClock } from '../client/wall-clock.js';
import type { TestBed } from '../load/test-bed.js';

const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** dumpcap writing to a pipe, as a service would use it: measures when packets arrive, not what they cost. */
export class DumpcapStream implements AsyncDisposable {
  readonly latencies: number[] = [];
  private readonly walker: PcapngWalker;
  private readonly begun = Promise.withResolvers<number>();

  private constructor(
    private readonly child: ChildProcess,
    startedAt: number,
    clock: WallClock,
  ) {
    let arrivedAt = 0;
    this.walker = new PcapngWalker((timestampMs) => this.latencies.push(arrivedAt - timestampMs));
    running.add(child);
    child.once('exit', () => {
      running.delete(child);
      this.begun.reject(new Error('dumpcap has ended before its first byte'));
    });
    child.stdout?.on('data', (bytes: Buffer) => {
      this.begun.resolve(performance.now() - startedAt);
      arrivedAt = clock.now();
      this.walker.push(bytes, 0, bytes.length);
    });
  }

  static start(bed: TestBed, interfaces: readonly string[], filter = ''): DumpcapStream {
    const chosen = interfaces.flatMap((name) => ['-i', name]);
    const filtered = filter ? ['-f', filter] : [];
    const inside = [`--net=${bed.namespace.path}`, '--', 'dumpcap', '-q', ...filtered, ...chosen, '-w', '-'];
    const clock = new WallClock();
    const startedAt = performance.now(); // includes the time that `spawn` takes
    return new DumpcapStream(
      spawn('nsenter', inside, { stdio: ['ignore', 'pipe', 'ignore'] }),
      startedAt,
      clock,
    );
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  get packets(): number {
    return this.walker.packets;
  }

  /** Time from its start to its first byte, in milliseconds. */
  whenBegun(): Promise<number> {
    return this.begun.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.child, 'exit');
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGINT');
    await Promise.race([ended, sleep(2_000)]);
    this.child.kill('SIGKILL');
  }
}
