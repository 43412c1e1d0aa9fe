import { setTimeout as sleep } from 'node:timers/promises';
import { AnswerCache } from './answer-cache.js';

describe('AnswerCache', () => {
  let asked: string[];
  const cacheFor = (lifetimeMs: number): AnswerCache<string> =>
    new AnswerCache({ lifetimeMs, maxAnswers: 2, maxPending: 2, refusal: () => new Error('too many') });
  const find = (question: string) => async (): Promise<string> => {
    asked.push(question);
    await sleep(5);
    if (question === 'bad') throw new Error('no answer');
    return `answer to ${question}`;
  };
  beforeEach(() => (asked = []));

  it('asks once, until the answer is too old', async () => {
    const cache = cacheFor(50);
    await Promise.all([cache.ask('a', find('a')), cache.ask('a', find('a'))]);
    expect(await cache.ask('a', find('a'))).toBe('answer to a');
    expect(asked).toEqual(['a']);
    await sleep(60);
    await cache.ask('a', find('a'));
    expect(asked).toEqual(['a', 'a']);
  });

  it('keeps no failure, and shares it', async () => {
    const cache = cacheFor(1_000);
    const both = await Promise.allSettled([cache.ask('bad', find('bad')), cache.ask('bad', find('bad'))]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(cache.ask('bad', find('bad'))).rejects.toThrow('no answer');
    expect(asked).toEqual(['bad', 'bad']);
  });

  it('forgets the oldest answers', async () => {
    const cache = cacheFor(1_000);
    for (const question of ['a', 'b', 'c', 'b', 'a']) await cache.ask(question, find(question));
    expect(asked).toEqual(['a', 'b', 'c', 'a']);
  });

  it('refuses further questions while too many wait', async () => {
    const cache = cacheFor(1_000);
    const waiting = [cache.ask('a', find('a')), cache.ask('b', find('b'))];
    await expect(cache.ask('c', find('c'))).rejects.toThrow('too many');
    await Promise.all(waiting);
    expect(await cache.ask('c', find('c'))).toBe('answer to c');
  });
});
