/** What happened, counted by its name; and what must not happen, in words. */
export class Tally {
  readonly complaints: string[] = [];
  private readonly counts = new Map<string, number>();

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  complain(what: string): void {
    this.complaints.push(`${new Date().toISOString()} ${what}`);
    process.stderr.write(`soak: ${what}\n`);
  }

  rows(): string[][] {
    return [...this.counts]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([what, count]) => [what, String(count)]);
  }

  /** How often things happened whose names begin like this. */
  total(prefix: string): number {
    return [...this.counts].reduce((sum, [what, count]) => sum + (what.startsWith(prefix) ? count : 0), 0);
  }
}
