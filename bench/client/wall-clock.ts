const SYNCHRONIZE_MS = 5;

/**
 * CLOCK_REALTIME in milliseconds with fractions, the clock of packet timestamps. `Date.now()` returns whole milliseconds,
 * so the offset of the monotonic clock is measured by reading both in a loop: the greatest difference belongs to the
 * moment at which a new millisecond began and nothing delayed the reads.
 */
export class WallClock {
  private offsetMs = 0;

  constructor() {
    this.synchronize();
  }

  /** Must be called periodically, because only one of the two clocks is slewed. */
  synchronize(): void {
    const end = performance.now() + SYNCHRONIZE_MS;
    let offsetMs = -Infinity;
    while (performance.now() < end) offsetMs = Math.max(offsetMs, Date.now() - performance.now());
    this.offsetMs = offsetMs;
  }

  now(): number {
    return this.offsetMs + performance.now();
  }
}
