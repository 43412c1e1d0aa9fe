/** How long to wait before the next restart: doubles from `firstMs` up to `limitMs`, until `reset`. */
export class BackOff {
  private nextMs: number;

  constructor(
    private readonly firstMs: number,
    private readonly limitMs: number,
  ) {
    this.nextMs = firstMs;
  }

  next(): number {
    const currentMs = this.nextMs;
    this.nextMs = Math.min(currentMs * 2, this.limitMs);
    return currentMs;
  }

  reset(): void {
    this.nextMs = this.firstMs;
  }
}
