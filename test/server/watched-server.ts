import { setTimeout as delay } from 'node:timers/promises';
import { LivenessTiming } from '../../src/server/capture/liveness/client-liveness.js';
import { ServerUnderTest, scriptedCapture } from './server-under-test.js';

/** A server on all addresses that records when its captures are stopped. */
export class WatchedServer implements AsyncDisposable {
  /** Whether new captures deliver data without end; otherwise they deliver a single piece. */
  busy = false;
  /** Times at which captures were stopped. */
  readonly stops: number[] = [];
  private server!: ServerUnderTest;

  /** @param speedUp divisor of all times of the liveness probe */
  static async start(speedUp = 1): Promise<WatchedServer> {
    const watched = new WatchedServer();
    watched.server = await ServerUnderTest.start(
      () => Promise.resolve(watched.capture()),
      ['--host', '0.0.0.0'],
    );
    const timing = watched.server.app.get(LivenessTiming);
    for (const [name, value] of Object.entries(timing)) {
      Object.assign(timing, { [name]: (value as number) / speedUp });
    }
    return watched;
  }

  get port(): number {
    return this.server.port;
  }

  /** Time in ms until a capture is stopped; Infinity if it takes much longer than expected. */
  async untilStopped(expectedMs: number): Promise<number> {
    const begin = performance.now();
    while (this.stops.length === 0 && performance.now() - begin < expectedMs + 20_000) await delay(20);
    return (this.stops[0] ?? Infinity) - begin;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
  }

  private capture(): ReturnType<typeof scriptedCapture> {
    const capture = scriptedCapture(this.busy ? endless() : [Buffer.alloc(24)]);
    const stop = capture.stop.bind(capture);
    return Object.assign(capture, {
      stop: () => {
        this.stops.push(performance.now());
        stop();
      },
    });
  }
}

function* endless(): Generator<Buffer> {
  const piece = Buffer.alloc(64 * 1024);
  for (;;) yield piece;
}
