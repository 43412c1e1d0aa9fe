import {
  DEFAULT_RING_LIMITS,
  RingBudget,
  minTimeToFillMs,
  ringLimits,
  shareOf,
  type RingParameters,
  type RingAllotment,
} from './ring-budget.js';

const MIB = 1024 * 1024;

/** As many as there are, up to a number. */
function admit(budget: RingBudget, most = DEFAULT_RING_LIMITS.captures): RingAllotment[] {
  const admitted: RingAllotment[] = [];
  for (let each = budget.admit(); each; each = budget.admit()) {
    admitted.push(each);
    if (admitted.length === most) break;
  }
  return admitted;
}

const sumOf = (all: readonly { bytes: number }[]): number => all.reduce((sum, { bytes }) => sum + bytes, 0);

describe('RingBudget', () => {
  it('admits its maximum number of captures within its memory', () => {
    const admitted = admit(new RingBudget());
    expect(admitted).toHaveLength(256);
    expect(sumOf(admitted)).toBeLessThanOrEqual(1024 * MIB);
    expect(admitted[0]?.bytes).toBe(16 * MIB);
    expect(admitted.at(-1)?.bytes).toBe(2 * MIB);
  });

  it.each([1, 2, 3, 4])('is kept by %i engines together', (engines) => {
    const budgets = Array.from({ length: engines }, () => new RingBudget(shareOf(engines)));
    const counted = budgets.flatMap((budget) => admit(budget, Math.ceil(256 / engines)));
    expect(counted.length).toBeGreaterThanOrEqual(256);
    expect(sumOf(counted)).toBeLessThanOrEqual(1024 * MIB);
    const all = [...counted, ...budgets.flatMap((budget) => admit(budget, Infinity))];
    expect(sumOf(all)).toBeLessThanOrEqual(4096 * MIB);
  });

  it.each([
    [1, 7, 14],
    [2, 7, 14],
    [3, 256, 512],
    [4, 1, 2],
  ])('has room on %i engines for each of %i captures in %i MiB', (engines, captures, mebibytes) => {
    const limits = shareOf(engines, ringLimits(captures, mebibytes));
    const budgets = Array.from({ length: engines }, () => new RingBudget(limits));
    const admitted = Array.from({ length: captures }, (_, index) => budgets[index % engines]!.admit());
    expect(admitted.every((each) => each !== undefined && each.bytes >= 2 * MIB)).toBe(true);
    // Rounded up to whole captures on each engine, and no more.
    expect(engines * limits.maxBytes).toBeLessThan((mebibytes + 2 * engines) * MIB);
  });

  it('admits captures of another engine that has crashed, beyond its own share', () => {
    const budget = new RingBudget(shareOf(4));
    expect(admit(budget, 256)).toHaveLength(256);
  });

  it('never exceeds its memory', () => {
    const budget = new RingBudget(ringLimits(2, 8));
    expect(admit(budget, Infinity).map(({ bytes }) => bytes / MIB)).toEqual([2, 2, 2, 2]);
  });

  it('gets all memory back when all captures have ended, even if they are released twice', () => {
    const budget = new RingBudget();
    for (let round = 0; round < 3; round++) {
      const admitted = admit(budget, Infinity);
      expect(sumOf(admitted)).toBe(4096 * MIB);
      for (const each of [...admitted, ...admitted]) each.release();
    }
  });

  it('divides the memory of a capture among its interfaces, down to a minimum', () => {
    const allotment = new RingBudget().admit();
    expect(allotment?.takeRing(1)?.bytes).toBe(16 * MIB);
    expect(allotment?.takeRing(3)?.bytes).toBe(5.25 * MIB);
    expect(allotment?.takeRing(100)?.bytes).toBe(1 * MIB);
  });

  it('assigns rings of minimum size to all of a thousand interfaces', () => {
    const allotment = new RingBudget(shareOf(4)).admit();
    const rings = Array.from({ length: 1_000 }, () => allotment?.takeRing(1_000)?.bytes);
    expect(new Set(rings)).toEqual(new Set([0.5 * MIB]));
  });

  it('assigns smaller rings to later interfaces and none beyond its limit', () => {
    const budget = new RingBudget();
    const allotment = budget.admit();
    const rings: RingParameters[] = [];
    for (let ring = allotment?.takeRing(1); ring; ring = allotment?.takeRing(1)) rings.push(ring);
    const total = rings.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(rings.length).toBeGreaterThan(3_000);
    expect(rings.slice(0, 3).map(({ bytes }) => bytes)).toEqual([16 * MIB, 8 * MIB, 5.25 * MIB]);
    expect(total).toBeLessThanOrEqual(DEFAULT_RING_LIMITS.maxBytes);
    // And still every further capture gets what it was promised, and everything comes back.
    expect(admit(budget, Infinity)).toHaveLength(255);
    for (const ring of rings) allotment?.returnRing(ring);
    expect(allotment?.takeRing(1)?.bytes).toBe(16 * MIB);
  });

  it('counts the memory of rings that are being closed, and lets captures and rings wait for it', async () => {
    const budget = new RingBudget(ringLimits(1, 4));
    const first = budget.admit()!;
    const rings = [1, 1, 1].map((sharers) => first.takeRing(sharers)!);
    expect(budget.admit()).toBeUndefined();
    const closed = rings.map(() => Promise.withResolvers<void>());
    rings.forEach((ring, index) => void first.returnWhen(closed[index]!.promise, ring));
    first.release();
    expect(budget.memory.ringBytes).toBe(sumOf(rings));

    let second: RingAllotment | undefined;
    const waiting = budget.whenAvailable(
      () => budget.admit(),
      () => true,
    );
    void waiting.then((allotment) => (second = allotment));
    let wanted = true;
    const left = budget.whenAvailable(
      () => budget.admit(),
      () => wanted,
    );
    await new Promise(setImmediate);
    expect(second).toBeUndefined();
    wanted = false;
    for (const { resolve } of closed) resolve();
    expect((await waiting)?.bytes).toBe(2 * MIB);
    expect(await left).toBeUndefined();
    expect(budget.memory.ringBytes).toBe(2 * MIB);
    expect(await second?.whenRingAvailable(1, () => true)).toMatchObject({ bytes: 2 * MIB });
    (await waiting)?.release();
  });

  it('refuses at once when nothing is being closed', async () => {
    const budget = new RingBudget(ringLimits(1, 2));
    expect(budget.admit()).toBeDefined();
    expect(
      await budget.whenAvailable(
        () => budget.admit(),
        () => true,
      ),
    ).toBeUndefined();
  });

  it('gets all memory back when rings are returned after the end of their capture', () => {
    const budget = new RingBudget();
    for (let round = 0; round < 3; round++) {
      const allotment = budget.admit();
      const rings = Array.from({ length: 500 }, () => allotment?.takeRing(1));
      allotment?.release();
      for (const ring of rings) if (ring) allotment?.returnRing(ring);
      expect(rings.every((ring) => ring !== undefined)).toBe(true);
      expect(budget.blockTimeoutMs(16 * MIB, 1)).toBe(4);
    }
    expect(
      budget.extend(
        DEFAULT_RING_LIMITS.maxBytes - DEFAULT_RING_LIMITS.captures * DEFAULT_RING_LIMITS.minBytes,
      ),
    ).toBe(true);
  });
});

describe('the block timeout', () => {
  it('is short while there are few rings, and longer for small ones', () => {
    const budget = new RingBudget();
    const allotment = budget.admit();
    const rings = [1, 2, 4, 16].map((sharers) => allotment?.takeRing(sharers));
    expect(rings.map((ring) => ring?.blockTimeoutMs)).toEqual([4, 4, 10, 10]);
    for (const ring of rings) expect(ring && minTimeToFillMs(ring)).toBeGreaterThanOrEqual(40);
  });

  it('is long when there are many rings, whose timers cost CPU time', () => {
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
    expect(allotment?.takeRing(1)?.blockTimeoutMs).toBe(4);
  });
});
