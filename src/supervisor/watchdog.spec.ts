import { Watchdog, type Watched } from './watchdog.js';

const LOOK_MS = 500;

/** A watchdog whose clock the test turns. */
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

  /** Time passes, and the watchdog looks as often as it should. */
  pass(ms: number, eachLook: () => void = () => undefined): this {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += LOOK_MS;
      eachLook();
      this.watchdog.look();
    }
    return this;
  }

  speak(): this {
    this.watched.lastSignOfLifeMs = this.nowMs;
    return this;
  }

  [Symbol.dispose](): void {
    this.watchdog.stop();
  }
}

describe('The watchdog', () => {
  it('leaves a child alone that speaks every second', () => {
    using scene = new Scene();
    for (let second = 0; second < 60; second++) scene.speak().pass(1_000);
    expect(scene.hangs).toEqual([]);
  });

  it('notices silence within 5 s, once', () => {
    using scene = new Scene();
    scene.speak().pass(5_000);
    expect(scene.hangs).toHaveLength(1);
    expect(scene.hangs[0]).toBeGreaterThan(4_000);
  });

  it('gives a child time to begin', () => {
    using scene = new Scene();
    scene.pass(30_000);
    expect(scene.hangs).toEqual([]);
    scene.pass(1_000);
    expect(scene.hangs).toHaveLength(1);
  });

  it('has patience with a child that others take the processor away from', () => {
    using scene = new Scene();
    scene.speak().pass(15_000, () => (scene.waitedMs += LOOK_MS * 0.9));
    expect(scene.hangs).toEqual([]);
    scene.pass(5_000);
    expect(scene.hangs).toHaveLength(1);
  });

  it('notices circles on a machine where half of the time others run', () => {
    using scene = new Scene();
    scene.speak().pass(5_000, () => (scene.waitedMs += LOOK_MS * 0.5));
    expect(scene.hangs).toHaveLength(1);
  });

  it('forgets old waiting when the child has spoken', () => {
    using scene = new Scene();
    scene.speak().pass(3_000, () => (scene.waitedMs += LOOK_MS));
    scene.speak().pass(5_000);
    expect(scene.hangs).toHaveLength(1);
  });

  it('begins anew when it stood still itself, and words may still be on their way', () => {
    using scene = new Scene();
    scene.speak().pass(1_000);
    scene.nowMs += 3_600_000;
    scene.pass(4_000);
    expect(scene.hangs).toEqual([]);
    scene.pass(1_500);
    expect(scene.hangs).toHaveLength(1);
  });

  it('has nothing to look at where there is no process', () => {
    using scene = new Scene();
    scene.watched.pid = undefined;
    scene.pass(60_000);
    expect(scene.hangs).toEqual([]);
  });
});
