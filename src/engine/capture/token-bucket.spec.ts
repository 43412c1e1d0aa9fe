import { TokenBucket } from './token-bucket.js';

describe('TokenBucket', () => {
  it('allows a number of events at once, and a rate afterwards', () => {
    let nowMs = 0;
    const bucket = new TokenBucket(3, 2, () => nowMs);
    const taken = (): number => {
      let count = 0;
      while (bucket.take()) count++;
      return count;
    };
    expect(taken()).toBe(3);
    nowMs = 400;
    expect(taken()).toBe(0);
    nowMs = 1_000;
    expect(taken()).toBe(2);
    nowMs = 60_000;
    expect(taken()).toBe(3);
  });
});
