import { setImmediate as others } from 'node:timers/promises';
import { Semaphore } from './semaphore.js';

describe('Semaphore', () => {
  it('limits concurrency and serves waiters in the order in which they came', async () => {
    const semaphore = new Semaphore(2);
    const begun: string[] = [];
    const waiting = ['a', 'b', 'c', 'd'].map((name) => semaphore.acquire().then(() => begun.push(name)));
    await others();
    expect(begun).toEqual(['a', 'b']);
    semaphore.release();
    await others();
    expect(begun).toEqual(['a', 'b', 'c']);
    semaphore.release();
    semaphore.release();
    await Promise.all(waiting);
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is at its limit again only after as many have been acquired', async () => {
    const semaphore = new Semaphore(1);
    for (let i = 0; i < 3; i++) {
      await semaphore.acquire();
      semaphore.release();
    }
    await semaphore.acquire();
    const another = semaphore.acquire();
    expect(await Promise.race([another.then(() => 'in'), others('waiting')])).toBe('waiting');
  });
});
