/** Counts events by name and collects failures. */
export class Totals {
  readonly failures: string[] = [];
  private readonly counts = new Map<string, number>();

  count(event: string): void {
    this.counts.set(event, (this.counts.get(event) ?? 0) + 1);
  }

  fail(message: string): void {
    this.failures.push(`${new Date().toISOString()} ${message}`);
    process.stderr.write(`soak: ${message}\n`);
  }

  rows(): string[][] {
    return [...this.counts]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([event, count]) => [event, String(count)]);
  }

  /** Number of events whose names begin with the prefix. */
  total(prefix: string): number {
    return [...this.counts].reduce((sum, [event, count]) => sum + (event.startsWith(prefix) ? count : 0), 0);
  }
}
