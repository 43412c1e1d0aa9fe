import type { Worker } from 'node:worker_threads';
import type { Beneficiary } from '../beneficiary.js';
import { FairQueue } from '../fair-queue.js';
import { LOADED, startThread } from '../../shared/threads.js';
import type { OpenerCall, OpenerReply, OpenerTaskName, OpenerTasks } from './opener-tasks.js';

/**
 * Opening a ring is mostly waiting in the kernel, so several threads open several rings in the time of one. A thread takes 13
 * MiB and a tenth of a second to start, so another one starts when all others have something to do, and gets tasks when it is
 * ready.
 */
export const MAX_OPENER_THREADS = 4;

/** A client with as many rings to be closed opens no others: else it could fill the ring memory with what it has left. */
const MAX_WAITING_CLOSES = 128;

/** A task failed in an opener thread; `code` is that of the error there. */
export class OpenerError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
    this.name = 'OpenerError';
  }
}

interface Task {
  readonly call: OpenerCall;
  readonly client: string;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

interface Thread {
  readonly worker: Worker;
  isLoaded: boolean;
  /** What it does now. */
  task?: Task;
}

type StartThread = (script: URL, name: string) => { readonly worker: Worker };

/** Distributes tasks to threads, of which the first starts with the first task. */
export class Opener {
  private readonly threads: Thread[] = [];
  private starting?: Thread;
  private readonly queue = new FairQueue<Task>();

  /**
   * @param name of the threads, as top(1) shows it
   * @param onFailure called when a thread has crashed: the engine cannot open captures any more
   * @param maxThreads how many may run at the same time
   * @param start for tests
   */
  constructor(
    private readonly name: string,
    private readonly onFailure: (error: Error) => void,
    private readonly maxThreads = MAX_OPENER_THREADS,
    private readonly start: StartThread = startThread,
  ) {}

  /** Starts the first thread, so that it is ready when the first task comes. */
  prepare(): void {
    if (this.threads.length === 0) this.threads.push(this.startThread());
  }

  /**
   * @param beneficiary default: the engine itself. When its signal is aborted, the task is not begun; one that has begun goes on
   * @throws OpenerError with code and message of what the task threw, or the reason of the signal
   */
  async run<Name extends OpenerTaskName>(
    task: Name,
    argument: OpenerTasks[Name]['argument'],
    { client = '', signal }: Partial<Beneficiary> = {},
  ): Promise<OpenerTasks[Name]['result']> {
    signal?.throwIfAborted();
    this.prepare();
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const entry: Task = { call: { task, argument }, client, resolve, reject };
    const onAbort = (): void => {
      if (this.queue.remove(entry)) reject(signal?.reason as Error);
    };
    try {
      signal?.addEventListener('abort', onAbort);
      this.queue.add(entry);
      this.distribute();
      return (await promise) as OpenerTasks[Name]['result'];
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  private distribute(): void {
    const waitingCloses = new Map<string, number>();
    for (const { call, client } of this.queue.waiting) {
      if (call.task === 'closeInterfaces') waitingCloses.set(client, (waitingCloses.get(client) ?? 0) + 1);
    }
    for (const thread of this.threads) {
      if (thread.task) continue;
      const mayClose = this.mayClose();
      const task = this.queue.begin(({ call, client }) => {
        if (call.task === 'closeInterfaces') return mayClose;
        return call.task !== 'openInterface' || (waitingCloses.get(client) ?? 0) < MAX_WAITING_CLOSES;
      });
      if (!task) break;
      thread.task = task;
      thread.worker.postMessage(task.call);
    }
    if (this.queue.waiting.length > 0) this.addThread();
  }

  /** Closing blocks as long as opening. A capture that closes hundreds of rings must not delay others that open theirs. */
  private mayClose(): boolean {
    const closing = this.threads.filter(({ task }) => task?.call.task === 'closeInterfaces').length;
    return closing < this.threads.length / 2;
  }

  private addThread(): void {
    if (this.starting || this.threads.length >= this.maxThreads) return;
    try {
      this.starting = this.startThread();
    } catch {
      // ERR_WORKER_INIT_FAILED: the limit of threads is reached. The others do what waits.
    }
  }

  private startThread(): Thread {
    const { worker } = this.start(new URL('./opener-thread.js', import.meta.url), this.name);
    const thread: Thread = { worker, isLoaded: false };
    worker.on('message', (message: typeof LOADED | OpenerReply) => {
      if (message === LOADED) this.onLoaded(thread);
      else this.settle(thread, message);
    });
    worker.on('error', (error: NodeJS.ErrnoException) => {
      if (thread.isLoaded) this.onFailure(error);
      else this.onNotStarted(thread, error);
    });
    return thread;
  }

  private onLoaded(thread: Thread): void {
    thread.isLoaded = true;
    if (this.starting !== thread) return;
    this.starting = undefined;
    this.threads.push(thread);
    this.distribute();
  }

  /** There are no descriptors left, or no memory: without any thread, all tasks fail, and the next one tries again. */
  private onNotStarted(thread: Thread, { code = 'internal', message }: NodeJS.ErrnoException): void {
    if (this.starting === thread) this.starting = undefined;
    const at = this.threads.indexOf(thread);
    if (at < 0) return;
    this.threads.splice(at, 1);
    const failed = thread.task ? [thread.task] : [];
    while (this.threads.length === 0) {
      const task = this.queue.begin();
      if (!task) break;
      failed.push(task);
    }
    for (const task of failed) {
      this.queue.end(task);
      task.reject(new OpenerError(code, `a thread could not start: ${message}`));
    }
    if (this.threads.length > 0) this.distribute();
  }

  private settle(thread: Thread, reply: OpenerReply): void {
    const { task } = thread;
    thread.task = undefined;
    if (!task) return;
    this.queue.end(task);
    if ('error' in reply) task.reject(new OpenerError(reply.error.code, reply.error.message));
    else task.resolve(reply.result);
    this.distribute();
  }
}
