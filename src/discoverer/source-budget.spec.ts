import { setTimeout as sleep } from 'node:timers/promises';
import { SourceBudget } from './source-budget.js';

describe('SourceBudget', () => {
  const spend = async (budget: SourceBudget, source: string, ms: number): Promise<void> => {
    const begin = performance.now();
    await sleep(ms);
    budget.count(source, begin);
  };

  it('limits each untrusted source, but not a trusted one', async () => {
    const budget = new SourceBudget(20, 1_000);
    for (const source of ['', 'greedy']) await spend(budget, source, 30);
    expect(['', 'greedy', 'modest'].map((source) => budget.hasTime(source))).toEqual([true, false, true]);
  });

  it('gives each source less when all have spent much', async () => {
    const budget = new SourceBudget(100, 30);
    await spend(budget, 'modest', 15);
    expect(budget.hasTime('modest')).toBe(true);
    await spend(budget, 'greedy', 40);
    expect(budget.hasTime('modest')).toBe(false);
    expect(budget.hasTime('new')).toBe(true);
  });
});
