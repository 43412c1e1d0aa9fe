import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { TargetDirectory, TargetDirectoryError, type DirectoryEntry } from './target-directory.js';

/** The watch goes on for this time without subscribers. */
const LINGER_MS = 10_000;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 10_000;

const SHUTTING_DOWN = new TargetDirectoryError('the service is shutting down');

/** Called with all targets, once they are known and after each change. */
export type TargetsListener = (entries: readonly DirectoryEntry[]) => void;

/** Watches the directory as long as somebody is interested, once for all who are. */
@Injectable()
export class LiveTargets implements OnModuleDestroy {
  private readonly logger = new Logger('Discovery');
  private readonly listeners = new Set<TargetsListener>();
  private readonly waiters = new Set<(error?: unknown) => void>();
  private entries?: readonly DirectoryEntry[];
  private watch?: AbortController;
  private linger?: NodeJS.Timeout;
  private closed = false;

  constructor(private readonly directory: TargetDirectory) {}

  onModuleDestroy(): void {
    clearTimeout(this.linger);
    this.closed = true;
    this.listeners.clear();
    this.watch?.abort();
    for (const settle of this.waiters) settle(SHUTTING_DOWN);
  }

  /** @returns ends the subscription */
  subscribe(listener: TargetsListener): () => void {
    this.listeners.add(listener);
    this.begin();
    if (this.entries) listener(this.entries);
    return () => {
      this.listeners.delete(listener);
      this.endLater();
    };
  }

  /**
   * Waits until the targets are known.
   *
   * @throws TargetDirectoryError when they cannot be listed now; the reason of the signal
   */
  async whenKnown(signal: AbortSignal): Promise<readonly DirectoryEntry[]> {
    signal.throwIfAborted();
    if (this.closed) throw SHUTTING_DOWN;
    this.begin();
    try {
      while (!this.entries) {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        const settle = (error?: unknown): void => (error === undefined ? resolve() : reject(error));
        const onAbort = (): void => reject(signal.reason as Error);
        this.waiters.add(settle);
        signal.addEventListener('abort', onAbort);
        try {
          await promise;
        } finally {
          this.waiters.delete(settle);
          signal.removeEventListener('abort', onAbort);
        }
      }
      return this.entries;
    } finally {
      this.endLater();
    }
  }

  private begin(): void {
    clearTimeout(this.linger);
    if (this.watch || this.closed) return;
    this.watch = new AbortController();
    void this.run(this.watch.signal);
  }

  private endLater(): void {
    if (this.listeners.size > 0 || this.waiters.size > 0) return;
    clearTimeout(this.linger);
    this.linger = setTimeout(() => {
      this.watch?.abort();
      delete this.watch;
      delete this.entries; // they will be outdated when somebody asks again
    }, LINGER_MS).unref();
  }

  /** Never rejects. */
  private async run(signal: AbortSignal): Promise<void> {
    let retryMs = FIRST_RETRY_MS;
    while (!signal.aborted) {
      try {
        for await (const entries of this.directory.watch(signal)) {
          if (signal.aborted) return;
          retryMs = FIRST_RETRY_MS;
          this.publish(entries);
        }
      } catch (error) {
        if (signal.aborted) return;
        this.fail(error, retryMs === FIRST_RETRY_MS);
      }
      await sleep(retryMs, undefined, { signal, ref: false }).catch(() => undefined);
      retryMs = Math.min(2 * retryMs, MAX_RETRY_MS);
    }
  }

  private publish(entries: readonly DirectoryEntry[]): void {
    this.entries = entries;
    for (const settle of this.waiters) settle();
    for (const listener of this.listeners) {
      try {
        listener(entries);
      } catch (error) {
        this.logger.error(error);
      }
    }
  }

  /** What is known stays: a directory that fails says nothing about the targets. */
  private fail(error: unknown, isFirst: boolean): void {
    const failure =
      error instanceof TargetDirectoryError
        ? error
        : new TargetDirectoryError('the targets cannot be listed', { cause: error });
    if (isFirst) this.logger.warn(`targets cannot be watched: ${failure.message}`);
    if (!(error instanceof TargetDirectoryError)) this.logger.error(error);
    for (const settle of this.waiters) settle(failure);
  }
}
