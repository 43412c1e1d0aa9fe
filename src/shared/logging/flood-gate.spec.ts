import { jest } from '@jest/globals';
import { FloodGate } from './flood-gate.js';

describe('The limit on repeated log lines', () => {
  const reports: string[] = [];
  let gate: FloodGate;
  beforeEach(() => {
    jest.useFakeTimers();
    reports.length = 0;
    gate = new FloodGate(10_000, (line) => reports.push(line));
  });
  afterEach(() => jest.useRealTimers());

  /** The number of lines that are admitted. */
  const passing = (count: number, line: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => gate.admits(line(index), 20)).filter(Boolean).length;

  it('admits a few similar lines and reports the number of suppressed ones', () => {
    expect(
      passing(1000, (index) => `capture ${index} for ::${index.toString(16)} ended: 4400 "no \\" ${index}"`),
    ).toBe(20);
    expect(reports).toEqual([]);
    jest.advanceTimersByTime(10_000);
    expect(reports).toEqual(['980 more in 10 s like: capture 0 for ::0 ended: 4400 "no \\" 0"']);
  });

  it('starts again with the next period', () => {
    passing(1000, () => 'failed');
    jest.advanceTimersByTime(10_000);
    expect(passing(1000, () => 'failed')).toBe(20);
    jest.advanceTimersByTime(10_000);
    expect(reports).toHaveLength(2);
  });

  it('reports nothing and keeps no timer if nothing was suppressed', () => {
    passing(20, () => 'fine');
    jest.advanceTimersByTime(60_000);
    expect(reports).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('counts each kind separately', () => {
    passing(1000, () => 'GhostWire does not answer');
    expect(passing(5, () => 'GhostWire answers again')).toBe(5);
  });

  it('bounds the number of kinds it remembers', () => {
    const letters = (index: number) =>
      index.toString(26).replace(/\d/g, (digit) => 'qrstuvwxyz'[Number(digit)] ?? '');
    expect(passing(100_000, (index) => `failed at ${letters(index)} ${'x'.repeat(index % 50)}`)).toBeLessThan(
      20 * 502,
    );
    jest.advanceTimersByTime(10_000);
    expect(reports.length).toBeLessThan(502);
    expect(reports.at(-1)).toMatch(/like: various$/);
  });
});
