import { FairTurns, type Turn } from './fair-turns.js';

const settled = (): Promise<void> => new Promise(setImmediate);

describe('FairTurns', () => {
  const never = new AbortController().signal;
  let turns: FairTurns;
  let begun: string[];
  let held: Map<string, Turn>;
  let evicted: string[];

  beforeEach(() => {
    turns = new FairTurns(1, 1, () => new Error('evicted'));
    begun = [];
    held = new Map();
    evicted = [];
  });

  /** @param name of the turn; its first letter is the client */
  function take(name: string, signal = never): Promise<void> {
    return turns.take(name.charAt(0), signal).then((turn) => {
      begun.push(name);
      held.set(name, turn);
      turn.evicted.catch(() => evicted.push(name));
    });
  }

  it('serves a client that has waited for nothing yet before the others', async () => {
    for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1']) void take(name);
    for (const next of ['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4']) {
      await settled();
      expect(begun.at(-1)).toBe(next);
      held.get(next)?.end();
    }
  });

  it('lets the next one begin when one gives way, and evicts from the client that has the most', async () => {
    for (const name of ['a1', 'a2', 'a3']) void take(name);
    await settled();
    expect(held.get('a1')?.giveWay()).toBe(true);
    void take('b1');
    await settled();
    expect(begun).toEqual(['a1', 'a2']);
    expect(held.get('a2')?.giveWay()).toBe(true);
    await settled();
    expect([begun, evicted]).toEqual([['a1', 'a2', 'b1'], ['a1']]);
    expect(held.get('b1')?.giveWay()).toBe(true);
    await settled();
    expect([begun, evicted]).toEqual([
      ['a1', 'a2', 'b1', 'a3'],
      ['a1', 'a2'],
    ]);
    for (const turn of held.values()) turn.end();
    await take('d1');
  });

  it('says which turn is one of many of its client', async () => {
    for (const name of ['a1', 'a2', 'a3', 'b1']) void take(name);
    await settled();
    expect(held.get('a1')?.isOneOfMany).toBe(true);
    held.get('a1')?.end();
    await settled();
    expect(held.get('b1')?.isOneOfMany).toBe(false);
  });

  it('lets nobody give way for nothing', async () => {
    await take('a1');
    expect(held.get('a1')?.giveWay()).toBe(false);
  });

  it('forgets who does not wait any more', async () => {
    const abort = new AbortController();
    await take('a1');
    const left = take('b1', abort.signal);
    void take('c1');
    abort.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    held.get('a1')?.end();
    await settled();
    expect(begun).toEqual(['a1', 'c1']);
    await expect(take('d1', abort.signal)).rejects.toThrow('left');
  });
});
