import { CaptureLedger } from './capture-totals.js';

describe('CaptureLedger', () => {
  it('counts captures while they run and after they have ended, once', () => {
    const ledger = new CaptureLedger();
    const first = { totals: { packets: 1, bytes: 100, dropped: 0 } };
    const second = { totals: { packets: 2, bytes: 300, dropped: 5 } };
    ledger.begin(first);
    ledger.begin(second);
    expect(ledger.totals).toEqual({ packets: 3, bytes: 400, dropped: 5 });

    first.totals = { packets: 10, bytes: 1000, dropped: 1 };
    expect(ledger.totals).toEqual({ packets: 12, bytes: 1300, dropped: 6 });

    ledger.end(first);
    ledger.end(first);
    first.totals = { packets: 99, bytes: 99, dropped: 99 };
    expect(ledger.captures).toBe(1);
    expect(ledger.totals).toEqual({ packets: 12, bytes: 1300, dropped: 6 });
  });
});
