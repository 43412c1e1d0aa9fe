import { Worker } from 'node:worker_threads';

/** What a thread of `startThread` posts first, when its modules are loaded. */
export const LOADED = 'loaded';

/** Threads that are still loading their modules. */
const loading = new Set<Promise<void>>();

export interface StartedThread {
  readonly worker: Worker;
  /** Resolves when the thread has posted `LOADED`, or has ended. */
  readonly loaded: Promise<void>;
}

/**
 * Starts a thread that uses native code.
 *
 * @param script posts `LOADED` before any other message
 * @param name as top(1) shows it
 */
export function startThread(script: URL, name: string): StartedThread {
  // Node.js does not know the descriptors that C functions open: it would close those that the thread opens for the
  // process, and warn about those that the thread closes.
  const worker = new Worker(script, { name, trackUnmanagedFds: false });
  const { promise: loaded, resolve } = Promise.withResolvers<void>();
  loading.add(loaded);
  void loaded.then(() => loading.delete(loaded));
  worker.once('message', () => resolve()).once('exit', () => resolve());
  return { worker, loaded };
}

/**
 * Calls process.exit() as soon as no thread is loading. That ends the threads, and koffi calls abort(3) when its
 * initialization in a thread is interrupted: it reports the failure by a JavaScript exception, which Node-API refuses in a
 * thread that is ending (`napi_throw`).
 */
export function exit(status: number): void {
  if (loading.size === 0) process.exit(status);
  else void Promise.all(loading).then(() => exit(status));
}
