import { jest } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../../test/kit/eventually.js';
import type { SearchOutcome } from '../../shared/linux/namespaces.js';
import { NamespaceFinder } from './namespace-finder.js';
import { OpenerError, type Opener } from './opener.js';

const HOLDER = { kind: 'mount', pid: 1, path: '/run/netns/a' } as const;
const NOT_FOUND = new OpenerError('no-such-namespace', 'there is no network namespace');

describe('The search for a namespace', () => {
  /** The searches so far: what each was asked for, and what ends it. */
  let searches: { wanted: readonly number[]; end: (outcomes: readonly SearchOutcome[]) => void }[];
  let opened: unknown[];
  let finder: NamespaceFinder;
  const leaving = new AbortController();
  const beneficiary = { client: '192.0.2.1', signal: leaving.signal };

  beforeEach(() => {
    searches = [];
    opened = [];
    const openNamespace = jest.fn((_task: string, argument: { holder?: unknown }) => {
      opened.push(argument.holder);
      return argument.holder ? Promise.resolve('namespace') : Promise.reject(NOT_FOUND);
    });
    const search = (_task: string, wanted: readonly number[]) =>
      new Promise((end) => searches.push({ wanted, end }));
    finder = new NamespaceFinder(
      { run: openNamespace } as unknown as Opener,
      { run: search } as unknown as Opener,
    );
  });

  /** Until nothing happens any more without the end of a search. */
  const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

  it('is one for all who ask; those who ask meanwhile share the next one', async () => {
    const first = [finder.find(1), finder.find(2), finder.find(1)];
    await settled();
    const second = [finder.find(3), finder.find(2)];
    await settled();
    expect(searches.map(({ wanted }) => wanted)).toEqual([[1, 2]]);
    searches[0]?.end([{ holder: HOLDER, isComplete: true }, { isComplete: false }]);
    expect(await Promise.all(first)).toEqual([
      { holder: HOLDER, isComplete: true },
      { isComplete: false },
      { holder: HOLDER, isComplete: true },
    ]);
    await settled();
    expect(searches.map(({ wanted }) => wanted)).toEqual([
      [1, 2],
      [3, 2],
    ]);
    searches[1]?.end([{ isComplete: true }, { isComplete: true }]);
    expect(await Promise.all(second)).toEqual([{ isComplete: true }, { isComplete: true }]);
  });

  it('waits as long as the one before took, if that was long', async () => {
    const first = finder.find(1);
    await settled();
    await sleep(200);
    searches[0]?.end([{ isComplete: true }]);
    await first;
    const ended = performance.now();
    void finder.find(1);
    await eventually('the second search', () => searches.length === 2);
    // A timer may fire 1 ms early.
    expect(performance.now() - ended).toBeGreaterThan(195);
  });

  it('opens what it has found', async () => {
    const namespace = finder.open({ netns: 1 }, beneficiary);
    await settled();
    searches[0]?.end([{ holder: HOLDER, isComplete: true }]);
    expect(await namespace).toBe('namespace');
    expect(opened).toEqual([undefined, HOLDER]);
  });

  it('is not made for a reference to a process', async () => {
    await expect(finder.open({ netns: 1, pid: 2 }, beneficiary)).rejects.toBe(NOT_FOUND);
    expect(searches).toEqual([]);
  });

  it.each<[string, SearchOutcome, Partial<OpenerError>]>([
    ['there is none', { isComplete: true }, NOT_FOUND],
    [
      'it took too long',
      { isComplete: false },
      { code: 'no-such-namespace', message: 'no network namespace 1 found: the search took too long' },
    ],
    [
      'it cannot be opened',
      { refusal: 'it lacks SYS_PTRACE', isComplete: true },
      { code: 'not-permitted', message: 'it lacks SYS_PTRACE' },
    ],
  ])('says why it has found nothing: %s', async (_, outcome, error) => {
    const namespace = finder.open({ netns: 1 }, beneficiary);
    await settled();
    searches[0]?.end([outcome]);
    await expect(namespace).rejects.toMatchObject({ code: error.code, message: error.message });
  });

  it('that fails, fails for those who asked, and not for the next', async () => {
    const run = jest
      .fn<() => Promise<unknown>>()
      .mockRejectedValueOnce(new OpenerError('EMFILE', 'too many open files'))
      .mockResolvedValueOnce([{ holder: HOLDER, isComplete: true }]);
    const failing = new NamespaceFinder({} as Opener, { run } as unknown as Opener);
    await expect(failing.find(1)).rejects.toMatchObject({ code: 'EMFILE' });
    expect(await failing.find(1)).toEqual({ holder: HOLDER, isComplete: true });
  });

  it('is not waited for any more by who leaves', async () => {
    const namespace = finder.open({ netns: 1 }, beneficiary);
    await settled();
    leaving.abort();
    await expect(namespace).rejects.toBe(leaving.signal.reason);
    expect(searches).toHaveLength(1);
  });
});
