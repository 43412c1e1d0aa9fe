import { certainGrowth, slopeOf } from '../../bench/soak/growth.js';

/** A sample every minute for an hour. */
const hour = (value: (minute: number) => number) =>
  Array.from({ length: 61 }, (_, minute): [number, number] => [minute / 60, value(minute)]);

describe('The slope of a soak', () => {
  it('equals that of the line when the samples do not scatter', () => {
    const slope = slopeOf(hour((minute) => 100 + minute));
    expect(slope.perHour).toBeCloseTo(60);
    expect(slope.standardError).toBeCloseTo(0);
    expect(certainGrowth(slope)).toBeCloseTo(60);
  });

  it('shows no growth when the values fall or stay the same', () => {
    expect(certainGrowth(slopeOf(hour(() => 7)))).toBe(0);
    expect(certainGrowth(slopeOf(hour((minute) => -minute)))).toBe(0);
  });

  it('shows a leak of 10 per hour when the values fluctuate by 5', () => {
    const breathing = (minute: number) => 5 * Math.sin(minute);
    expect(certainGrowth(slopeOf(hour(breathing)))).toBeLessThan(1);
    expect(certainGrowth(slopeOf(hour((minute) => breathing(minute) + minute / 6)))).toBeGreaterThan(6);
  });

  it('applies only to the observed time', () => {
    const half = hour((minute) => minute).slice(0, 31);
    expect(certainGrowth(slopeOf(half))).toBeCloseTo(30);
  });
});
