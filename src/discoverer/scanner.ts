import { startThread, type StartedThread } from '../shared/threads.js';

/** Reply of the thread, one for each message; what the message contains does not matter. */
export type ScanReply =
  | { readonly document: Uint8Array<ArrayBuffer>; readonly problems: readonly string[] }
  | { readonly error: string };

/** Several times what a large host takes, including a runtime that does not answer. */
const TIMEOUT_MS = 15_000;

/**
 * A thread that hangs in the kernel, where it cannot be ended, is replaced. Not without a limit: what it hangs at is still there
 * for the next one.
 */
const MAX_HANGING = 3;

/** Scans the host in a thread of its own. Only one scan may run at a time: see SingleFlight. */
export class Scanner {
  private thread?: StartedThread;
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
    if (this.hanging >= MAX_HANGING) return this.fail(new Error(`${MAX_HANGING} scans hang in the kernel`));
    const { worker, loaded } = (this.thread ??= this.startThread());
    const { promise, resolve, reject } = Promise.withResolvers<ScanReply>();
    const onExit = () => reject(new Error('the thread has ended'));
    worker.once('error', reject).once('exit', onExit);
    let timer: NodeJS.Timeout | undefined;
    try {
      // No timeout before: a thread must not be terminated while it loads, see `exit`.
      await Promise.race([loaded, promise]);
      timer = setTimeout(
        () => reject(new Error(`the thread did not reply within ${TIMEOUT_MS / 1000} s`)),
        TIMEOUT_MS,
      );
      worker.once('message', resolve);
      worker.postMessage('scan');
      const reply = await promise;
      if ('error' in reply) throw new Error(reply.error);
      this.report(reply.problems);
      return reply.document;
    } catch (error) {
      this.thread = undefined;
      this.hanging++;
      void worker.terminate().then(() => this.hanging--);
      return this.fail(error);
    } finally {
      clearTimeout(timer);
      worker.off('message', resolve).off('error', reject).off('exit', onExit);
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
