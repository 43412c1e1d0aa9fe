import { jest } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { LiveTargets } from './live-targets.js';
import { TargetDirectory, TargetDirectoryError, type DirectoryEntry } from './target-directory.js';

const WEB: DirectoryEntry = {
  name: 'web',
  prefix: '',
  type: 'docker',
  netns: 5,
  pid: 7,
  startTime: 9,
  interfaces: [],
};
const NEVER = new AbortController().signal;

/** A directory whose list the test changes, or that fails. */
class Directory extends TargetDirectory {
  watches = 0;
  failure?: Error;
  private publish: (entries: DirectoryEntry[]) => void = () => undefined;

  override find(): Promise<DirectoryEntry[]> {
    return Promise.resolve([]);
  }
  override list(): Promise<DirectoryEntry[]> {
    return Promise.resolve([WEB]);
  }
  override async *watch(signal: AbortSignal): AsyncIterable<readonly DirectoryEntry[]> {
    this.watches++;
    if (this.failure) throw this.failure;
    yield [WEB];
    for (;;) {
      yield await new Promise<DirectoryEntry[]>((resolve, reject) => {
        this.publish = resolve;
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    }
  }
  change(...entries: DirectoryEntry[]): void {
    this.publish(entries);
  }
}

describe('LiveTargets', () => {
  let directory: Directory;
  let live: LiveTargets;
  beforeEach(() => {
    Logger.overrideLogger(false);
    directory = new Directory();
    live = new LiveTargets(directory);
  });
  afterEach(() => live.onModuleDestroy());

  it('watches the directory once for all, and tells each the targets at first and after each change', async () => {
    const [one, other] = [jest.fn(), jest.fn()];
    live.subscribe(one);
    expect(await live.whenKnown(NEVER)).toEqual([WEB]);
    const unsubscribe = live.subscribe(other);
    await sleep(10);
    directory.change();
    await sleep(10);
    unsubscribe();
    directory.change(WEB);
    await sleep(10);
    expect(one.mock.calls).toEqual([[[WEB]], [[]], [[WEB]]]);
    expect(other.mock.calls).toEqual([[[WEB]], [[]]]);
    expect(directory.watches).toBe(1);
  });

  it('fails for those who wait for the first list, and tries again', async () => {
    directory.failure = new TargetDirectoryError('cannot be reached');
    await expect(live.whenKnown(NEVER)).rejects.toThrow('cannot be reached');
    delete directory.failure;
    expect(await live.whenKnown(NEVER)).toEqual([WEB]);
  });

  it('does not wait for those who have gone', async () => {
    directory.watch = () =>
      new Promise(() => undefined) as unknown as AsyncIterable<readonly DirectoryEntry[]>;
    await expect(live.whenKnown(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    const gone = new AbortController();
    const known = live.whenKnown(gone.signal);
    gone.abort(new Error('gone as well'));
    await expect(known).rejects.toThrow('gone as well');
  });
});

describe('A directory that can only be asked', () => {
  it('is watched by asking, and yields a list when it has changed', async () => {
    jest.useFakeTimers({ doNotFake: ['performance', 'queueMicrotask', 'nextTick', 'setImmediate'] });
    try {
      const lists = [[WEB], [WEB], []];
      class Asked extends Directory {
        override list = (): Promise<DirectoryEntry[]> => Promise.resolve(lists.shift() ?? []);
        override watch = (signal: AbortSignal) => TargetDirectory.prototype.watch.call(this, signal);
      }
      const seen: number[] = [];
      for await (const entries of new Asked().watch(NEVER)) {
        seen.push(entries.length);
        if (seen.length === 2) break;
        void jest.advanceTimersByTimeAsync(20_000);
      }
      expect(seen).toEqual([1, 0]);
    } finally {
      jest.useRealTimers();
    }
  });
});
