/** Each time that all sources together have spent the sum once more, what each of them may spend is divided by this. */
const REDUCTION = 10;
const MAX_REDUCTIONS = 2;

/**
 * The time that one scan spends on what containers and users can make as expensive as they like. Each source has a limit of its
 * own, so that none costs the others their targets. The limit gets smaller the more all of them have spent, so that the scan
 * ends in time. What root's processes say is not limited.
 */
export class SourceBudget {
  private readonly spentMs = new Map<string, number>();
  private totalMs = 0;

  /**
   * @param maxMs for each source
   * @param sumMs of all sources, after which the limit is reduced
   */
  constructor(
    private readonly maxMs: number,
    private readonly sumMs: number,
  ) {}

  /** @param source see `sourceOf`; empty: it is trusted */
  hasTime(source: string): boolean {
    if (source === '') return true;
    const reductions = Math.min(MAX_REDUCTIONS, Math.floor(this.totalMs / this.sumMs));
    return (this.spentMs.get(source) ?? 0) < this.maxMs / REDUCTION ** reductions;
  }

  /** Counts the time that has passed. @param beginMs see performance.now() */
  count(source: string, beginMs: number): void {
    if (source === '') return;
    const ms = performance.now() - beginMs;
    this.totalMs += ms;
    this.spentMs.set(source, (this.spentMs.get(source) ?? 0) + ms);
  }
}
