/** Limits concurrency; waiters are served in the order in which they came. */
export class Semaphore {
  private readonly queue: (() => void)[] = [];
  private taken = 0;

  constructor(private readonly limit: number) {}

  /** Resolves when the caller may proceed; `release` must be called afterwards. */
  async acquire(): Promise<void> {
    if (this.taken < this.limit) this.taken++;
    else await new Promise<void>((resolve) => this.queue.push(resolve));
  }

  /** Lets the next waiter proceed. */
  release(): void {
    const next = this.queue.shift();
    if (next) next();
    else this.taken--;
  }
}
