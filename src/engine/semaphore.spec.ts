import { setImmediate as others } from 'node:timers/promises';
import { Semaphore } from './semaphore.js';

describe('Semaphore', () => {
  it('lets so many do something at once, and the others in the order in which they came', async () => {
    const turns = new Semaphore(2);
    const begun: string[] = [];
    const waiting = ['a', 'b', 'c', 'd'].map((name) => turns.take().then(() => begun.push(name)));
    await others();
    expect(begun).toEqual(['a', 'b']);
    turns.done();
    await others();
    expect(begun).toEqual(['a', 'b', 'c']);
    turns.done();
    turns.done();
    await Promise.all(waiting);
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
  });

  it('has all turns back when everybody is done', async () => {
    const turns = new Semaphore(1);
    for (let i = 0; i < 3; i++) {
      await turns.take();
      turns.done();
    }
    await turns.take();
    const another = turns.take();
    expect(await Promise.race([another.then(() => 'in'), others('waiting')])).toBe('waiting');
  });
});
