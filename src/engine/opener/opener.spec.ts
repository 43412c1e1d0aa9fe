import { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { LOADED } from '../../shared/threads.js';
import type { OpenerCall, OpenerTaskName } from './opener-tasks.js';
import { Opener } from './opener.js';

/** Stands for a thread: a test decides when it is loaded and when its task is done. */
class FakeThread extends EventEmitter {
  readonly calls: OpenerCall[] = [];

  postMessage(call: OpenerCall): void {
    this.calls.push(call);
  }

  load(): void {
    this.emit('message', LOADED);
  }

  done(result: unknown = 'done'): void {
    this.emit('message', { result });
  }
}

describe('The opener', () => {
  let threads: FakeThread[];
  let whyNotStarted: Error | undefined;
  let opener: Opener;

  beforeEach(() => {
    threads = [];
    whyNotStarted = undefined;
    const start = (): { worker: Worker } => {
      if (whyNotStarted) throw whyNotStarted;
      const thread = new FakeThread();
      threads.push(thread);
      return { worker: thread as unknown as Worker };
    };
    const onFailure = (error: Error): void => {
      throw error;
    };
    opener = new Opener('opener', onFailure, 4, start);
  });

  const run = (task: OpenerTaskName, client = 'a', signal?: AbortSignal): Promise<unknown> =>
    opener.run(task, client as never, { client, ...(signal && { signal }) });

  /** The tasks that have begun, by thread, as "task client". */
  const begun = (): string[][] =>
    threads.map(({ calls }) => calls.map(({ task, argument }) => `${task} ${argument as string}`));

  /** Starts all threads, each with a task that is done. */
  async function startAll(): Promise<void> {
    const tasks = Array.from({ length: 8 }, () => run('openNamespace', 'warm-up'));
    for (let index = 0; index < 4; index++) threads[index]?.load();
    for (let round = 0; round < 4; round++) for (const thread of threads) thread.done();
    await Promise.all(tasks);
    for (const { calls } of threads) calls.length = 0;
  }

  it('starts a thread with the first task, and further ones, one at a time, while tasks wait', () => {
    for (let number = 0; number < 10; number++) void run('openInterface');
    expect(threads).toHaveLength(2);
    threads[1]?.load();
    expect(threads).toHaveLength(3);
    threads[2]?.load();
    threads[3]?.load();
    expect(threads).toHaveLength(4);
    expect(begun()).toEqual(Array(4).fill(['openInterface a']));
  });

  it('gives each client its turn', async () => {
    await startAll();
    for (let number = 0; number < 100; number++) void run('openInterface', 'a');
    void run('openInterface', 'b');
    threads[2]?.done();
    expect(begun()[2]).toEqual(['openInterface a', 'openInterface b']);
  });

  it('does not begin what is not needed any more', async () => {
    await startAll();
    const leaving = new AbortController();
    for (let number = 0; number < 4; number++) void run('openNamespace', 'a');
    const dropped = run('openInterface', 'b', leaving.signal);
    const kept = run('openInterface', 'c');
    leaving.abort();
    await expect(dropped).rejects.toBe(leaving.signal.reason);
    threads[0]?.done();
    expect(begun()[0]).toEqual(['openNamespace a', 'openInterface c']);
    threads[0]?.done('opened');
    expect(await kept).toBe('opened');
    await expect(run('openInterface', 'b', leaving.signal)).rejects.toBe(leaving.signal.reason);
  });

  it('closes rings with half of the threads', async () => {
    await startAll();
    for (let number = 0; number < 10; number++) void run('closeInterfaces', 'a');
    expect(begun().flat()).toEqual(['closeInterfaces a', 'closeInterfaces a']);
    void run('openInterface', 'b');
    expect(begun()[2]).toEqual(['openInterface b']);
  });

  it('opens nothing for a client that has 128 rings to be closed', async () => {
    await startAll();
    for (let number = 0; number < 130; number++) void run('closeInterfaces', 'a');
    void run('openInterface', 'a');
    void run('openInterface', 'b');
    expect(begun().slice(2)).toEqual([['openInterface b'], []]);
    for (let number = 0; number < 2; number++) threads[0]?.done();
    expect(begun()[3]).toEqual(['openInterface a']);
  });

  it('goes on with the threads that it has when another one cannot be started', async () => {
    const first = run('openInterface', 'a');
    threads[0]?.load();
    whyNotStarted = Object.assign(new Error('no more threads'), { code: 'ERR_WORKER_INIT_FAILED' });
    const second = run('openInterface', 'a');
    threads[0]?.done(1);
    threads[0]?.done(2);
    expect(await Promise.all([first, second])).toEqual([1, 2]);
  });

  it('fails all tasks when its only thread cannot start, and tries again with the next one', async () => {
    const tasks = [run('openInterface', 'a'), run('openInterface', 'b')];
    const error = Object.assign(new Error('too many open files'), { code: 'EMFILE' });
    for (const thread of threads) thread.emit('error', error);
    const outcomes = await Promise.allSettled(tasks);
    expect(outcomes).toMatchObject(Array(2).fill({ status: 'rejected', reason: { code: 'EMFILE' } }));
    const next = run('openInterface', 'a');
    threads.at(-1)?.done();
    expect(await next).toBe('done');
  });
});
