/** A turn that `FairTurns.take` has granted. */
export interface Turn {
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

const MAX_REMEMBERED_CLIENTS = 1_000;

/**
 * Limits how much is done at once for untrusted clients: some in the foreground, some in the background. The next turn is
 * that of the waiting client with the fewest turns now and, among those, the one that was served least recently: a
 * client that asks for a lot waits for itself, and does not delay others. When the background is full, the client with the most turns loses one.
 */
export class FairTurns {
  private readonly queue: Entry[] = [];
  private readonly running = new Set<Entry>();
  /** Number of turns that had begun when the last one of the client did; larger: more recently. */
  private readonly served = new Map<string, number>();
  private begun = 0;

  constructor(
    private readonly foreground: number,
    private readonly background: number,
    private readonly evictionError: () => Error,
  ) {}

  get waiting(): number {
    return this.queue.length;
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
      const at = this.queue.indexOf(entry);
      if (at < 0) return; // its turn has begun
      this.queue.splice(at, 1);
      reject(signal.reason as Error);
    };
    this.queue.push(entry);
    signal.addEventListener('abort', onAbort);
    this.beginNext();
    try {
      await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
    return {
      evicted: evicted.promise,
      giveWay: () => this.giveWay(entry),
      end: () => {
        this.running.delete(entry);
        this.beginNext();
      },
    };
  }

  private giveWay(running: Entry): boolean {
    if (this.queue.length === 0 || !this.running.has(running)) return false;
    if (this.count((each) => each.background) >= this.background) this.evictOne();
    running.background = true;
    this.beginNext();
    return true;
  }

  private beginNext(): void {
    while (this.queue.length > 0 && this.count((each) => !each.background) < this.foreground) {
      const next = this.queue.reduce((best, each) => (this.precedes(each, best) ? each : best));
      this.queue.splice(this.queue.indexOf(next), 1);
      this.running.add(next);
      if (this.served.size >= MAX_REMEMBERED_CLIENTS) this.served.clear();
      this.served.set(next.client, ++this.begun);
      next.begin();
    }
  }

  private precedes(one: Entry, other: Entry): boolean {
    const more = this.turnsOf(one.client) - this.turnsOf(other.client);
    if (more !== 0) return more < 0;
    return (this.served.get(one.client) ?? 0) < (this.served.get(other.client) ?? 0);
  }

  /** Takes the oldest turn in the background of the client that has the most turns. */
  private evictOne(): void {
    const victim = [...this.running]
      .filter((each) => each.background)
      .reduce((most, each) => (this.turnsOf(each.client) > this.turnsOf(most.client) ? each : most));
    this.running.delete(victim);
    victim.evict();
  }

  private turnsOf(client: string): number {
    return this.count((each) => each.client === client);
  }

  private count(predicate: (entry: Entry) => boolean): number {
    return [...this.running].filter(predicate).length;
  }
}
