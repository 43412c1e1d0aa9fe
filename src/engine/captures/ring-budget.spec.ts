import { DEFAULT_RING_LIMITS, RingBudget, ringLastsMs, type RingAllotment } from './ring-budget.js';

const MIB = 1024 * 1024;

function admitAll(budget: RingBudget): RingAllotment[] {
  const admitted: RingAllotment[] = [];
  for (let each = budget.admit(); each; each = budget.admit()) admitted.push(each);
  return admitted;
}

describe('RingBudget', () => {
  it('admits as many captures as it may have, in the memory that it may have', () => {
    const admitted = admitAll(new RingBudget());
    expect(admitted).toHaveLength(DEFAULT_RING_LIMITS.captures);
    const total = admitted.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(total).toBeLessThanOrEqual(DEFAULT_RING_LIMITS.totalBytes);
    expect(admitted[0]?.bytes).toBe(16 * MIB);
    expect(admitted.at(-1)?.bytes).toBe(2 * MIB);
  });

  it('has everything back when all captures are over, even if they say so twice', () => {
    const budget = new RingBudget();
    for (let round = 0; round < 3; round++) {
      const admitted = admitAll(budget);
      expect(admitted).toHaveLength(DEFAULT_RING_LIMITS.captures);
      for (const each of [...admitted, ...admitted]) each.release();
    }
  });

  it('shares the memory of a capture among its interfaces, but not into uselessness', () => {
    const allotment = new RingBudget().admit();
    expect(allotment?.takeRing(1).bytes).toBe(16 * MIB);
    expect(allotment?.takeRing(3).bytes).toBe(5.25 * MIB);
    expect(allotment?.takeRing(100).bytes).toBe(1 * MIB);
  });
});

describe('the block timeout', () => {
  it('is short as long as there are few rings, and long enough for small ones', () => {
    const budget = new RingBudget();
    const allotment = budget.admit();
    const rings = [1, 2, 4, 16].map((sharers) => allotment?.takeRing(sharers));
    expect(rings.map((ring) => ring?.blockTimeoutMs)).toEqual([3, 3, 10, 10]);
    for (const ring of rings) expect(ring && ringLastsMs(ring)).toBeGreaterThanOrEqual(40);
  });

  it('keeps the timers of many idle rings from eating up the machine', () => {
    const budget = new RingBudget();
    const rings = Array.from({ length: 100 }, () => budget.admit()?.takeRing(1));
    const timersPerSecond = rings.reduce((sum, ring) => sum + 1_000 / (ring?.blockTimeoutMs ?? 1), 0);
    expect(timersPerSecond).toBeLessThan(7_000);
  });

  it('is short again when rings have been closed', () => {
    const budget = new RingBudget();
    const allotment = budget.admit();
    for (let i = 0; i < 40; i++) allotment?.takeRing(1);
    expect(allotment?.takeRing(1).blockTimeoutMs).toBe(50);
    for (let i = 0; i < 41; i++) allotment?.returnRing();
    expect(allotment?.takeRing(1).blockTimeoutMs).toBe(3);
  });
});
