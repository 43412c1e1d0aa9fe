import { jest } from '@jest/globals';
import { FloodGate } from './flood-gate.js';

describe('The gate that holds back floods of log lines', () => {
  const reports: string[] = [];
  let gate: FloodGate;
  beforeEach(() => {
    jest.useFakeTimers();
    reports.length = 0;
    gate = new FloodGate(10_000, (line) => reports.push(line));
  });
  afterEach(() => jest.useRealTimers());

  /** How many of these pass. */
  const passing = (count: number, line: (index: number) => string) =>
    Array.from({ length: count }, (_, index) => gate.admits(line(index), 20)).filter(Boolean).length;

  it('lets a few of a kind pass, and tells how many others there were', () => {
    expect(
      passing(1000, (index) => `capture ${index} for ::${index.toString(16)} ended: 4400 "no \\" ${index}"`),
    ).toBe(20);
    expect(reports).toEqual([]);
    jest.advanceTimersByTime(10_000);
    expect(reports).toEqual(['980 more in 10 s like: capture 0 for ::0 ended: 4400 "no \\" 0"']);
  });

  it('begins again with the next period', () => {
    passing(1000, () => 'failed');
    jest.advanceTimersByTime(10_000);
    expect(passing(1000, () => 'failed')).toBe(20);
    jest.advanceTimersByTime(10_000);
    expect(reports).toHaveLength(2);
  });

  it('is silent where nothing was held back, and keeps no timer then', () => {
    passing(20, () => 'fine');
    jest.advanceTimersByTime(60_000);
    expect(reports).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('does not let one kind hold back another', () => {
    passing(1000, () => 'GhostWire does not answer');
    expect(passing(5, () => 'GhostWire answers again')).toBe(5);
  });

  it('bounds the number of kinds, so that nobody fills the memory with them', () => {
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
