import { Worker } from 'node:worker_threads';
import type { OpenerCall, OpenerReply, OpenerTaskName, OpenerTasks } from './opener-tasks.js';

/** The kernel's work for one ring is mostly waiting, so several threads open several rings in about the same time. */
const THREADS = 4;
/** Closing takes as long. A capture that closes hundreds of rings must not keep others from opening theirs. */
const CLOSING_THREADS = 2;

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
  resolve(result: unknown): void;
  reject(error: Error): void;
}

interface Thread {
  readonly worker: Worker;
  waiting: number;
}

/** Gives tasks to the opener threads. */
export class Opener {
  private readonly threads: Thread[] = [];
  private readonly pending = new Map<number, Pending>();
  private lastId = 0;

  /** @param onFailure called when a thread has ended by itself: nothing can be opened any more */
  constructor(onFailure: (error: Error) => void) {
    for (let i = 0; i < THREADS; i++) {
      // Descriptors that a thread opens are handed over, so Node must not close them with the thread.
      const worker = new Worker(new URL('./opener-thread.js', import.meta.url), { trackUnmanagedFds: false });
      const thread: Thread = { worker, waiting: 0 };
      worker.on('message', (reply: OpenerReply) => this.settle(thread, reply));
      worker.on('error', onFailure);
      this.threads.push(thread);
    }
  }

  /** @throws OpenerError what the task threw */
  run<Name extends OpenerTaskName>(
    task: Name,
    argument: OpenerTasks[Name]['argument'],
  ): Promise<OpenerTasks[Name]['result']> {
    const id = ++this.lastId;
    const eligible = task === 'closeInterfaces' ? this.threads.slice(0, CLOSING_THREADS) : this.threads;
    const thread = eligible.reduce((least, each) => (each.waiting < least.waiting ? each : least));
    thread.waiting++;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve: resolve, reject });
      thread.worker.postMessage({ id, task, argument } satisfies OpenerCall);
    });
  }

  private settle(thread: Thread, reply: OpenerReply): void {
    thread.waiting--;
    const pending = this.pending.get(reply.id);
    this.pending.delete(reply.id);
    if ('error' in reply) pending?.reject(new OpenerError(reply.error.code, reply.error.message));
    else pending?.resolve(reply.result);
  }
}
