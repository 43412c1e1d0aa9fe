import {
  blockTimeoutMs,
  DEFAULT_RING_LIMITS,
  RingBudget,
  ringLastsMs,
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
    expect(allotment?.ringBytes(1)).toBe(16 * MIB);
    expect(allotment?.ringBytes(3)).toBe(5.25 * MIB);
    expect(allotment?.ringBytes(100)).toBe(1 * MIB);
  });
});

describe('the block timeout', () => {
  it('gives small rings enough time until all blocks are used up', () => {
    expect(blockTimeoutMs(16 * MIB)).toBe(3);
    for (const mib of [1, 2, 4, 8, 16]) expect(ringLastsMs(mib * MIB)).toBeGreaterThanOrEqual(40);
  });
});
