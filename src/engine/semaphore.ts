/** Lets so many do something at once; the others wait, first come first served. */
export class Semaphore {
  private readonly queue: (() => void)[] = [];
  private taken = 0;

  constructor(private readonly atOnce: number) {}

  /** Settles when it is the caller's turn. Whoever had one must call `done`. */
  async take(): Promise<void> {
    if (this.taken < this.atOnce) this.taken++;
    else await new Promise<void>((resolve) => this.queue.push(resolve));
  }

  /** The next one may. */
  done(): void {
    const next = this.queue.shift();
    if (next) next();
    else this.taken--;
  }
}
