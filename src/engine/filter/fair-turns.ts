import { FairQueue } from '../fair-queue.js';

/** A turn that `FairTurns.take` has granted. */
export interface Turn {
  /** The client had, or waited for, further turns when this one began. */
  readonly isOneOfMany: boolean;
  /** Rejects when the turn is taken away. */
  readonly evicted: Promise<never>;
  /**
   * The time in the foreground is over: if others wait, the turn continues in the background, and the next one begins.
   *
   * @returns whether it continues in the background now
   */
  giveWay(): boolean;
  end(): void;
}

interface Entry {
  readonly client: string;
  background: boolean;
  readonly begin: () => void;
  readonly evict: () => void;
}

/**
 * Limits how much is done at once for untrusted clients: some in the foreground, some in the background. Turns are granted
 * in a fair order, see `FairQueue`. When the background is full, the client with the most turns loses one.
 */
export class FairTurns {
  private readonly queue = new FairQueue<Entry>();

  constructor(
    private readonly foreground: number,
    private readonly background: number,
    private readonly evictionError: () => Error,
  ) {}

  get waiting(): number {
    return this.queue.waiting.length;
  }

  /** @throws the reason of the signal when it is aborted first */
  async take(client: string, signal: AbortSignal): Promise<Turn> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const evicted = Promise.withResolvers<never>();
    evicted.promise.catch(() => undefined); // who ends its turn does not await it
    const entry: Entry = {
      client,
      background: false,
      begin: resolve,
      evict: () => evicted.reject(this.evictionError()),
    };
    const onAbort = (): void => {
      if (this.queue.remove(entry)) reject(signal.reason as Error);
    };
    this.queue.add(entry);
    signal.addEventListener('abort', onAbort);
    this.beginNext();
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    return {
      isOneOfMany:
        this.queue.runningOf(client) > 1 || this.queue.waiting.some((each) => each.client === client),
      evicted: evicted.promise,
      giveWay: () => this.giveWay(entry),
      end: () => {
        this.queue.end(entry);
        this.beginNext();
      },
    };
  }

  private giveWay(running: Entry): boolean {
    if (this.waiting === 0 || !this.queue.running.has(running)) return false;
    if (this.running(true).length >= this.background) this.evictOne();
    running.background = true;
    this.beginNext();
    return true;
  }

  private beginNext(): void {
    while (this.running(false).length < this.foreground) {
      const next = this.queue.begin();
      if (!next) return;
      next.begin();
    }
  }

  /** Takes the oldest turn in the background of the client that has the most turns. */
  private evictOne(): void {
    const { queue } = this;
    const victim = this.running(true).reduce((most, each) =>
      queue.runningOf(each.client) > queue.runningOf(most.client) ? each : most,
    );
    queue.end(victim);
    victim.evict();
  }

  private running(background: boolean): Entry[] {
    return [...this.queue.running].filter((each) => each.background === background);
  }
}
