import { Watchdog, type Watched } from './watchdog.js';

const POLL_INTERVAL_MS = 500;

/** A watchdog with a clock that the test controls. */
class Scene implements Disposable {
  nowMs = 100_000;
  waitedMs = 0;
  readonly hangs: number[] = [];
  readonly watched: { pid: number | undefined; lastSignOfLifeMs: number | undefined } = {
    pid: 1,
    lastSignOfLifeMs: undefined,
  };
  private readonly watchdog = new Watchdog(
    this.watched satisfies Watched,
    (silentMs) => this.hangs.push(silentMs),
    () => this.nowMs,
    () => this.waitedMs,
  );

  /** Advances the clock, and polls at the regular interval. */
  pass(ms: number, eachPoll: () => void = () => undefined): this {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += POLL_INTERVAL_MS;
      eachPoll();
      this.watchdog.poll();
    }
    return this;
  }

  report(): this {
    this.watched.lastSignOfLifeMs = this.nowMs;
    return this;
  }

  [Symbol.dispose](): void {
    this.watchdog.stop();
  }
}

describe('The watchdog', () => {
  it('does not report a child that sends a report every second', () => {
    using scene = new Scene();
    for (let second = 0; second < 60; second++) scene.report().pass(1_000);
    expect(scene.hangs).toEqual([]);
  });

  it('reports silence within 5 s, once', () => {
    using scene = new Scene();
    scene.report().pass(5_000);
    expect(scene.hangs).toHaveLength(1);
    expect(scene.hangs[0]).toBeGreaterThan(4_000);
  });

  it('allows 30 s until the first report', () => {
    using scene = new Scene();
    scene.pass(30_000);
    expect(scene.hangs).toEqual([]);
    scene.pass(1_000);
    expect(scene.hangs).toHaveLength(1);
  });

  it('does not count the time in which the child waits for a processor', () => {
    using scene = new Scene();
    scene.report().pass(15_000, () => (scene.waitedMs += POLL_INTERVAL_MS * 0.9));
    expect(scene.hangs).toEqual([]);
    scene.pass(5_000);
    expect(scene.hangs).toHaveLength(1);
  });

  it('reports an endless loop although other processes have the processor half of the time', () => {
    using scene = new Scene();
    scene.report().pass(5_000, () => (scene.waitedMs += POLL_INTERVAL_MS * 0.5));
    expect(scene.hangs).toHaveLength(1);
  });

  it('forgets earlier waiting times after a report', () => {
    using scene = new Scene();
    scene.report().pass(3_000, () => (scene.waitedMs += POLL_INTERVAL_MS));
    scene.report().pass(5_000);
    expect(scene.hangs).toHaveLength(1);
  });

  it('restarts its timeout after it was suspended, because reports may still be unread', () => {
    using scene = new Scene();
    scene.report().pass(1_000);
    scene.nowMs += 3_600_000;
    scene.pass(4_000);
    expect(scene.hangs).toEqual([]);
    scene.pass(1_500);
    expect(scene.hangs).toHaveLength(1);
  });

  it('reports nothing when there is no process', () => {
    using scene = new Scene();
    scene.watched.pid = undefined;
    scene.pass(60_000);
    expect(scene.hangs).toEqual([]);
  });
});
