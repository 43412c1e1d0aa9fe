import { startThread, type StartedThread } from '../shared/threads.js';

/**
 * What the thread is asked for. `scan`: all targets. `poll`: whether they may have changed since the last poll; from then on the
 * thread listens to the events of runtimes, until `stop`, which has no reply.
 */
export type ScanRequest = 'scan' | 'poll' | 'stop';

/** Replies of the thread, one for each request. */
export type ScanReply =
  | { readonly document: Uint8Array<ArrayBuffer>; readonly problems: readonly string[] }
  | { readonly changed: boolean }
  | { readonly error: string };

/** Sent by the thread at any time: a runtime has reported a change. */
export const RUNTIME_EVENT = 'runtime event';

/** Several times what a large host takes, including a runtime that does not answer. */
const TIMEOUT_MS = 15_000;

/**
 * A thread that hangs in the kernel, where it cannot be ended, is replaced. Not without a limit: what it hangs at is still there
 * for the next one.
 */
const MAX_HANGING = 3;

/** Scans the host in a thread of its own, one request after another. */
export class Scanner {
  /** Called when a runtime reports a change, while somebody looks for changes. */
  onEvent: () => void = () => undefined;
  private thread?: StartedThread;
  private queue: Promise<unknown> = Promise.resolve();
  private problems = new Set<string>();
  /** Threads that did not reply and have not ended. */
  private hanging = 0;

  /** @param log writes one line for the operator */
  constructor(private readonly log: (line: string) => void) {}

  /**
   * @returns a document like GhostWire's `/mobyshark`
   * @throws Error when the thread ends or does not reply in time; the next call starts a new thread
   */
  async scan(): Promise<Uint8Array> {
    const reply = await this.request('scan');
    if (!('document' in reply)) throw new Error('the thread sent another reply');
    this.report(reply.problems);
    return reply.document;
  }

  /**
   * @returns whether the targets may have changed since the last call
   * @throws Error as `scan`
   */
  async poll(): Promise<boolean> {
    const reply = await this.request('poll');
    return 'changed' in reply && reply.changed;
  }

  /** Nobody looks for changes any more. */
  stopWatching(): void {
    this.thread?.worker.postMessage('stop' satisfies ScanRequest);
  }

  private request(request: ScanRequest): Promise<ScanReply> {
    const reply = this.queue.then(() => this.ask(request));
    this.queue = reply.catch(() => undefined);
    return reply;
  }

  private async ask(request: ScanRequest): Promise<Exclude<ScanReply, { error: string }>> {
    if (this.hanging >= MAX_HANGING) return this.fail(new Error(`${MAX_HANGING} scans hang in the kernel`));
    const { worker, loaded } = (this.thread ??= this.startThread());
    const { promise, resolve, reject } = Promise.withResolvers<ScanReply>();
    const onExit = () => reject(new Error('the thread has ended'));
    const onMessage = (message: ScanReply | typeof RUNTIME_EVENT) => {
      if (message !== RUNTIME_EVENT) resolve(message);
    };
    worker.once('error', reject).once('exit', onExit);
    let timer: NodeJS.Timeout | undefined;
    try {
      // No timeout before: a thread must not be terminated while it loads, see `exit`.
      await Promise.race([loaded, promise]);
      timer = setTimeout(
        () => reject(new Error(`the thread did not reply within ${TIMEOUT_MS / 1000} s`)),
        TIMEOUT_MS,
      );
      worker.on('message', onMessage);
      worker.postMessage(request);
      const reply = await promise;
      if ('error' in reply) throw new Error(reply.error);
      return reply;
    } catch (error) {
      this.thread = undefined;
      this.hanging++;
      void worker.terminate().then(() => this.hanging--);
      return this.fail(error);
    } finally {
      clearTimeout(timer);
      worker.off('message', onMessage).off('error', reject).off('exit', onExit);
    }
  }

  private fail(error: unknown): never {
    this.log(`cannot scan for targets: ${error instanceof Error ? error.message : String(error)}`);
    throw error;
  }

  private startThread(): StartedThread {
    const thread = startThread(new URL('./scan-thread.js', import.meta.url), 'scanner');
    // Between two scans there is no other listener, and an `error` without a listener would end the process.
    thread.worker.on('error', () => undefined);
    thread.worker.on('message', (message) => {
      if (message === RUNTIME_EVENT) this.onEvent();
    });
    thread.worker.on('exit', () => {
      if (this.thread === thread) this.thread = undefined;
    });
    return thread;
  }

  /** Logs each problem once, until it has gone and come back. */
  private report(problems: readonly string[]): void {
    for (const problem of problems) if (!this.problems.has(problem)) this.log(problem);
    this.problems = new Set(problems);
  }
}
