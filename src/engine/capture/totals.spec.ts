import { EngineTotals } from './totals.js';

describe('EngineTotals', () => {
  it('counts captures while they run and after they have ended, once', () => {
    const engine = new EngineTotals();
    const first = { totals: { packets: 1, bytes: 100, dropped: 0 } };
    const second = { totals: { packets: 2, bytes: 300, dropped: 5 } };
    engine.begin(first);
    engine.begin(second);
    expect(engine.sum).toEqual({ packets: 3, bytes: 400, dropped: 5 });

    first.totals = { packets: 10, bytes: 1000, dropped: 1 };
    expect(engine.sum).toEqual({ packets: 12, bytes: 1300, dropped: 6 });

    engine.end(first);
    engine.end(first);
    first.totals = { packets: 99, bytes: 99, dropped: 99 };
    expect(engine.captures).toBe(1);
    expect(engine.sum).toEqual({ packets: 12, bytes: 1300, dropped: 6 });
  });
});
