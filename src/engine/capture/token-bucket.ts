/** Limits a rate: up to `capacity` events at once, and `perSecond` in the long run. */
export class TokenBucket {
  private tokens: number;
  private filledAtMs: number;

  constructor(
    private readonly capacity: number,
    private readonly perSecond: number,
    private readonly clock = () => performance.now(),
  ) {
    this.tokens = capacity;
    this.filledAtMs = clock();
  }

  /** @returns whether an event may happen now */
  take(): boolean {
    const nowMs = this.clock();
    this.tokens = Math.min(this.capacity, this.tokens + ((nowMs - this.filledAtMs) / 1_000) * this.perSecond);
    this.filledAtMs = nowMs;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }
}
