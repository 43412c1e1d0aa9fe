import type { CaptureTotals } from '../../shared/protocol/protocol.js';

/** What counts of a capture here. */
interface Counted {
  readonly totals: CaptureTotals;
}

/** Sums up what all captures of this engine have delivered and lost, those that run and those that are over. */
export class CaptureLedger {
  private readonly running = new Set<Counted>();
  private over: CaptureTotals = { packets: 0, bytes: 0, dropped: 0 };

  /** How many run. */
  get captures(): number {
    return this.running.size;
  }

  /** Since this process began; never less than before. */
  get totals(): CaptureTotals {
    return [...this.running].reduce((sum, { totals }) => plus(sum, totals), this.over);
  }

  begin(capture: Counted): void {
    this.running.add(capture);
  }

  /** To be called before its rings are closed; more than once does not matter. */
  end(capture: Counted): void {
    if (this.running.delete(capture)) this.over = plus(this.over, capture.totals);
  }
}

function plus(one: CaptureTotals, other: CaptureTotals): CaptureTotals {
  return {
    packets: one.packets + other.packets,
    bytes: one.bytes + other.bytes,
    dropped: one.dropped + other.dropped,
  };
}
