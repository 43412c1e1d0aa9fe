import type { Worker } from 'node:worker_threads';
import { LOADED, startThread } from '../../shared/threads.js';
import type { OpenerCall, OpenerReply, OpenerTaskName, OpenerTasks } from './opener-tasks.js';

/**
 * Opening a ring is mostly waiting in the kernel, so several threads open several rings in the time of one. A thread takes 13
 * MiB and a tenth of a second to start, so another one starts when all others have something to do, and gets tasks when it is
 * ready.
 */
const MAX_THREADS = 4;

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

interface Pending {
  readonly thread: Thread;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

interface Thread {
  readonly worker: Worker;
  isLoaded: boolean;
  waiting: number;
}

/** Distributes tasks to threads, of which the first starts with the first task. */
export class Opener {
  private readonly threads: Thread[] = [];
  private starting?: Thread;
  private readonly pending = new Map<number, Pending>();
  private lastId = 0;

  /**
   * @param name of the threads, as top(1) shows it
   * @param onFailure called when a thread has crashed: the engine cannot open captures any more
   * @param maxThreads how many may run at the same time
   */
  constructor(
    private readonly name: string,
    private readonly onFailure: (error: Error) => void,
    private readonly maxThreads = MAX_THREADS,
  ) {}

  /** Starts the first thread, so that it is ready when the first task comes. */
  prepare(): void {
    if (this.threads.length === 0) this.threads.push(this.startThread());
  }

  /** @throws OpenerError with code and message of what the task threw */
  run<Name extends OpenerTaskName>(
    task: Name,
    argument: OpenerTasks[Name]['argument'],
  ): Promise<OpenerTasks[Name]['result']> {
    this.prepare();
    const id = ++this.lastId;
    // Closing blocks as long as opening. A capture that closes hundreds of rings must not delay others that open theirs.
    const eligible =
      task === 'closeInterfaces' ? this.threads.slice(0, Math.ceil(this.threads.length / 2)) : this.threads;
    if (eligible.every(({ waiting }) => waiting > 0)) this.addThread();
    const thread = eligible.reduce((least, each) => (each.waiting < least.waiting ? each : least));
    thread.waiting++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { thread, resolve: resolve, reject });
      thread.worker.postMessage({ id, task, argument } satisfies OpenerCall);
    });
  }

  private addThread(): void {
    if (this.starting || this.threads.length >= this.maxThreads) return;
    this.starting = this.startThread();
  }

  private startThread(): Thread {
    const { worker } = startThread(new URL('./opener-thread.js', import.meta.url), this.name);
    const thread: Thread = { worker, isLoaded: false, waiting: 0 };
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
    // While tasks wait, start the next one now: `run`, which would start it, may not be called for a while.
    if (this.threads.some(({ waiting }) => waiting > 1)) this.addThread();
  }

  /** There are no descriptors left, or no memory: its tasks fail, and the next one tries again. */
  private onNotStarted(thread: Thread, { code = 'internal', message }: NodeJS.ErrnoException): void {
    if (this.starting === thread) this.starting = undefined;
    const at = this.threads.indexOf(thread);
    if (at >= 0) this.threads.splice(at, 1);
    for (const [id, pending] of this.pending) {
      if (pending.thread !== thread) continue;
      this.pending.delete(id);
      pending.reject(new OpenerError(code, `a thread could not start: ${message}`));
    }
  }

  private settle(thread: Thread, reply: OpenerReply): void {
    thread.waiting--;
    const pending = this.pending.get(reply.id);
    this.pending.delete(reply.id);
    if ('error' in reply) pending?.reject(new OpenerError(reply.error.code, reply.error.message));
    else pending?.resolve(reply.result);
  }
}
