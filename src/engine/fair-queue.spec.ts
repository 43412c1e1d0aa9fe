import { FairQueue } from './fair-queue.js';

interface Entry {
  readonly client: string;
  readonly number: number;
}

describe('FairQueue', () => {
  const entry = (client: string, number = 0): Entry => ({ client, number });
  let queue: FairQueue<Entry>;
  beforeEach(() => {
    queue = new FairQueue();
  });

  it('begins the entries of one client in their order', () => {
    for (const number of [1, 2]) queue.add(entry('a', number));
    expect(queue.begin()?.number).toBe(1);
    expect(queue.begin()?.number).toBe(2);
    expect(queue.begin()).toBeUndefined();
  });

  it('begins what the client with the fewest running entries waits for', () => {
    for (let number = 0; number < 100; number++) queue.add(entry('a', number));
    queue.begin();
    queue.add(entry('b'));
    expect(queue.begin()?.client).toBe('b');
    expect(queue.runningOf('b')).toBe(1);
  });

  it('lets clients take turns when nothing runs', () => {
    for (const client of ['a', 'a', 'a', 'b', 'b']) queue.add(entry(client));
    const order = [1, 2, 3, 4, 5].map(() => {
      const next = queue.begin();
      if (next) queue.end(next);
      return next?.client;
    });
    expect(order).toEqual(['a', 'b', 'a', 'b', 'a']);
  });

  it('passes over what may not begin, and forgets what has been removed', () => {
    const [first, second, third] = [entry('a', 1), entry('a', 2), entry('a', 3)];
    for (const each of [first, second, third]) queue.add(each);
    expect(queue.remove(second)).toBe(true);
    expect(queue.begin((each) => each !== first)).toBe(third);
    expect(queue.remove(third)).toBe(false);
    expect(queue.waiting).toEqual([first]);
    expect([...queue.running]).toEqual([third]);
  });
});
