import type { CaptureTotals } from '../../shared/protocol/protocol.js';

/** A capture that counts what it has delivered and lost. */
interface CountedCapture {
  readonly totals: CaptureTotals;
}

/** The totals of an engine: sums of all its captures, running and ended. */
export class EngineTotals {
  private readonly running = new Set<CountedCapture>();
  private ended: CaptureTotals = { packets: 0, bytes: 0, dropped: 0 };

  /** Number of running captures. */
  get captures(): number {
    return this.running.size;
  }

  /** Since this process began; they never decrease. */
  get sum(): CaptureTotals {
    return [...this.running].reduce((sum, { totals }) => add(sum, totals), this.ended);
  }

  begin(capture: CountedCapture): void {
    this.running.add(capture);
  }

  /** Must be called before the rings of the capture are closed; further calls have no effect. */
  end(capture: CountedCapture): void {
    if (this.running.delete(capture)) this.ended = add(this.ended, capture.totals);
  }
}

function add(one: CaptureTotals, other: CaptureTotals): CaptureTotals {
  return {
    packets: one.packets + other.packets,
    bytes: one.bytes + other.bytes,
    dropped: one.dropped + other.dropped,
  };
}
