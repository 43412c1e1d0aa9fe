const SETTING_MS = 5;

/**
 * CLOCK_REALTIME in milliseconds with fractions: what the kernel stamps packets with. Node tells only whole ones, so the
 * monotonic clock is set by looking at both again and again: the greatest difference is that of the moment at which a
 * new millisecond began, and nothing came in between.
 */
export class WallClock {
  private offsetMs = 0;

  constructor() {
    this.set();
  }

  /** To be called now and then: the one clock is slewed, the other is not. */
  set(): void {
    const end = performance.now() + SETTING_MS;
    let offsetMs = -Infinity;
    while (performance.now() < end) offsetMs = Math.max(offsetMs, Date.now() - performance.now());
    this.offsetMs = offsetMs;
  }

  now(): number {
    return this.offsetMs + performance.now();
  }
}
