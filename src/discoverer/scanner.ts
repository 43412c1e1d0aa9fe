import { Worker } from 'node:worker_threads';

/** What the thread answers: once for each message, whatever that says. */
export type ScanReply =
  | { readonly document: Uint8Array<ArrayBuffer>; readonly problems: readonly string[] }
  | { readonly error: string };

/** Several times of what a big host takes, a hanging engine included. */
const DEADLINE_MS = 15_000;

/**
 * Looks around, in a thread of its own. Not for several at a time: see SingleFlight.
 */
export class Scanner {
  private worker?: Worker;
  private problems = new Set<string>();

  /** @param log takes one line for the operator */
  constructor(private readonly log: (line: string) => void) {}

  /**
   * @returns a document as GhostWire's `/mobyshark`
   * @throws Error when the thread ends, or does not answer in time; the next call has a new one
   */
  async scan(): Promise<Uint8Array> {
    const worker = (this.worker ??= this.startWorker());
    const { promise, resolve, reject } = Promise.withResolvers<ScanReply>();
    const timer = setTimeout(
      () => reject(new Error(`no answer within ${DEADLINE_MS / 1000} s`)),
      DEADLINE_MS,
    );
    const onExit = () => reject(new Error('the thread that looks around has ended'));
    worker.once('message', resolve).once('error', reject).once('exit', onExit);
    try {
      worker.postMessage('scan');
      const reply = await promise;
      if ('error' in reply) throw new Error(reply.error);
      this.report(reply.problems);
      return reply.document;
    } catch (error) {
      this.log(`cannot look around: ${error instanceof Error ? error.message : String(error)}`);
      this.worker = undefined;
      void worker.terminate();
      throw error;
    } finally {
      clearTimeout(timer);
      worker.off('message', resolve).off('error', reject).off('exit', onExit);
    }
  }

  private startWorker(): Worker {
    const worker = new Worker(new URL('./scan-thread.js', import.meta.url), {
      // Node takes no notice of sockets that C functions open, and would warn when they are closed.
      trackUnmanagedFds: false,
    });
    worker.on('error', () => undefined); // an error while nobody waits: the next call notices the end
    worker.on('exit', () => {
      if (this.worker === worker) this.worker = undefined;
    });
    return worker;
  }

  /** Each problem once, until it has gone and come back. */
  private report(problems: readonly string[]): void {
    for (const problem of problems) if (!this.problems.has(problem)) this.log(problem);
    this.problems = new Set(problems);
  }
}
