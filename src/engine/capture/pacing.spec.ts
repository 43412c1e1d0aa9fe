import { EngineRate, Pacing, untilTickMs } from './pacing.js';

const RING = { bytes: 16 * 1024 * 1024, blockTimeoutMs: 4 };

/** The pause after a second of an even load. */
function pauseAt(packetsPerSecond: number, packetBytes: number, ring = RING): number {
  const pacing = new Pacing(new EngineRate());
  for (let now = 10; now <= 1_000; now += 10) {
    const packets = packetsPerSecond / 100;
    pacing.observe(now, packets, packets * packetBytes);
  }
  return pacing.pauseMs(ring);
}

describe('Pacing', () => {
  it('does not pause while it is quiet', () => {
    expect(pauseAt(100, 200)).toBe(0);
    expect(pauseAt(250, 1_500)).toBe(0);
  });

  it('pauses longer the more packets there are, up to a maximum', () => {
    const pauses = [310, 400, 700, 1_000, 500_000].map((rate) => pauseAt(rate, 64));
    expect(pauses).toEqual([...pauses].sort((a, b) => a - b));
    expect(pauses[0]).toBe(5);
    expect(pauses.at(-1)).toBe(20);
  });

  it('pauses as long as under load where many captures share the load, except those that are quiet', () => {
    const engine = new EngineRate();
    const captures = [100, 400, 400, 400].map((rate) => ({ rate, pacing: new Pacing(engine) }));
    for (let now = 10; now <= 1_000; now += 10) {
      for (const { rate, pacing } of captures) pacing.observe(now, rate / 100, rate);
    }
    const pauses = captures.map(({ pacing }) => pacing.pauseMs(RING));
    expect(pauses).toEqual([0, 20, 20, 20]);
  });

  it('forgets the load of an engine when there is none any more', () => {
    const engine = new EngineRate();
    const busy = new Pacing(engine);
    for (let now = 10; now <= 1_000; now += 10) busy.observe(now, 1_000, 64_000);
    const other = new Pacing(engine);
    for (let now = 10_000; now <= 11_000; now += 10) other.observe(now, 4, 256);
    expect(other.pauseMs(RING)).toBeLessThan(10);
  });

  it('ends the pause before a ring can be full', () => {
    const bytesPerMs = (100_000 * 65_000) / 1_000;
    expect(pauseAt(100_000, 65_000) * bytesPerMs).toBeLessThanOrEqual(RING.bytes);
    expect(pauseAt(20_000, 200, { bytes: 1024 * 1024, blockTimeoutMs: 10 })).toBeLessThanOrEqual(40 / 2);
  });

  it('pauses until the kernel hands over the next block, where that takes longer', () => {
    const ring = { bytes: 4 * 1024 * 1024, blockTimeoutMs: 50 };
    expect(pauseAt(500, 200, ring)).toBe(60);
    expect(pauseAt(250, 200, ring)).toBe(0);
    expect(pauseAt(500, 200, { ...ring, bytes: 512 * 1024 })).toBe(33);
  });

  it('stops pausing when the load ends', () => {
    const pacing = new Pacing(new EngineRate());
    for (let now = 10; now <= 100; now += 10) pacing.observe(now, 1_000, 100_000);
    for (let now = 110; now <= 300; now += 10) pacing.observe(now, 0, 0);
    expect(pacing.pauseMs(RING)).toBe(0);
  });
});

describe('untilTickMs', () => {
  it.each([
    [1_000, 20, 20],
    [1_003, 20, 17],
    [1_004.6, 20, 15],
    [1_000, 7, 5],
    [1_003, 4, 4],
  ])(
    'at %d ms, for a pause of %d ms, is on the tick after %d ms, or sooner than ticks are',
    (now, wanted, delay) => {
      expect(untilTickMs(now, wanted)).toBe(delay);
    },
  );
});
