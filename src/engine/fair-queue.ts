const MAX_REMEMBERED_CLIENTS = 1_000;

/**
 * What is to be done for untrusted clients, in a fair order. Next is an entry of the client with the fewest running entries;
 * of several such clients, of the one that was served least recently. A client that asks for a lot waits for itself, and
 * does not delay others.
 */
export class FairQueue<Entry extends { readonly client: string }> {
  private readonly queue: Entry[] = [];
  private readonly begun = new Set<Entry>();
  /** Number of entries that had begun when the last one of the client did; larger: more recently. */
  private readonly served = new Map<string, number>();
  private count = 0;

  get waiting(): readonly Entry[] {
    return this.queue;
  }

  get running(): ReadonlySet<Entry> {
    return this.begun;
  }

  add(entry: Entry): void {
    this.queue.push(entry);
  }

  /** @returns whether it was waiting; what runs goes on */
  remove(entry: Entry): boolean {
    const at = this.queue.indexOf(entry);
    if (at >= 0) this.queue.splice(at, 1);
    return at >= 0;
  }

  /** Takes the next entry, which runs until `end`. @param mayBegin which entries may */
  begin(mayBegin: (entry: Entry) => boolean = () => true): Entry | undefined {
    let next: Entry | undefined;
    for (const entry of this.queue) {
      if (mayBegin(entry) && (!next || this.precedes(entry, next))) next = entry;
    }
    if (!next) return undefined;
    this.remove(next);
    this.begun.add(next);
    if (this.served.size >= MAX_REMEMBERED_CLIENTS) this.served.clear();
    this.served.set(next.client, ++this.count);
    return next;
  }

  end(entry: Entry): void {
    this.begun.delete(entry);
  }

  /** Number of running entries of a client. */
  runningOf(client: string): number {
    let count = 0;
    for (const entry of this.begun) if (entry.client === client) count++;
    return count;
  }

  private precedes(one: Entry, other: Entry): boolean {
    const more = this.runningOf(one.client) - this.runningOf(other.client);
    if (more !== 0) return more < 0;
    return (this.served.get(one.client) ?? 0) < (this.served.get(other.client) ?? 0);
  }
}
