import {
  DEFAULT_RING_LIMITS,
  RingBudget,
  ringLastsMs,
  shareOf,
  type Ring,
  type RingAllotment,
} from './ring-budget.js';

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

  it.each([1, 2, 3, 4])('is kept by %i engines together', (engines) => {
    const admitted = Array.from({ length: engines }, () => admitAll(new RingBudget(shareOf(engines)))).flat();
    expect(admitted.length).toBeGreaterThanOrEqual(DEFAULT_RING_LIMITS.captures);
    expect(admitted.length).toBeLessThan(DEFAULT_RING_LIMITS.captures + engines);
    const total = admitted.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(total).toBeLessThanOrEqual(DEFAULT_RING_LIMITS.totalBytes);
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
    expect(allotment?.takeRing(1)?.bytes).toBe(16 * MIB);
    expect(allotment?.takeRing(3)?.bytes).toBe(5.25 * MIB);
    expect(allotment?.takeRing(100)?.bytes).toBe(1 * MIB);
  });

  it('gives less and less to interfaces that come later, and nothing beyond its limit', () => {
    const budget = new RingBudget();
    const allotment = budget.admit();
    const rings: Ring[] = [];
    for (let ring = allotment?.takeRing(1); ring; ring = allotment?.takeRing(1)) rings.push(ring);
    const total = rings.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(rings.length).toBeGreaterThan(1_000);
    expect(rings.slice(0, 3).map(({ bytes }) => bytes)).toEqual([16 * MIB, 8 * MIB, 5.25 * MIB]);
    expect(total).toBeLessThanOrEqual(DEFAULT_RING_LIMITS.mostBytes);
    // And still every further capture gets what it was promised, and everything comes back.
    expect(admitAll(budget)).toHaveLength(DEFAULT_RING_LIMITS.captures - 1);
    for (const ring of rings) allotment?.returnRing(ring);
    expect(allotment?.takeRing(1)?.bytes).toBe(16 * MIB);
  });

  it('has everything back when rings are returned after the end of their capture', () => {
    const budget = new RingBudget();
    for (let round = 0; round < 3; round++) {
      const allotment = budget.admit();
      const rings = Array.from({ length: 500 }, () => allotment?.takeRing(1));
      allotment?.release();
      for (const ring of rings) if (ring) allotment?.returnRing(ring);
      expect(rings.every((ring) => ring !== undefined)).toBe(true);
      expect(budget.blockTimeoutMs(16 * MIB)).toBe(3);
    }
    expect(
      budget.extend(
        DEFAULT_RING_LIMITS.mostBytes - DEFAULT_RING_LIMITS.captures * DEFAULT_RING_LIMITS.leastBytes,
      ),
    ).toBe(true);
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
    const rings = Array.from({ length: 41 }, () => allotment?.takeRing(1));
    expect(rings.at(-1)?.blockTimeoutMs).toBe(50);
    for (const ring of rings) if (ring) allotment?.returnRing(ring);
    expect(allotment?.takeRing(1)?.blockTimeoutMs).toBe(3);
  });
});
