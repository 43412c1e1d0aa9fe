import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** How often to look for changes. */
const POLL_INTERVAL_MS = 1_000;
/** What looking does not notice is found by a scan at this interval. */
const SCAN_INTERVAL_MS = 30_000;
/** Events come in bursts: a scan begins this long after the first of them. */
const SETTLE_MS = 150;
/** A scan begins at the earliest after this multiple of the time that the last one took: users can cause changes all the time. */
const REST_FACTOR = 3;
/** The watch goes on for this time after the last one who waited, who usually comes back. */
const LINGER_MS = 5_000;

/** What the watch needs of the scanner. */
export interface WatchedScanner {
  /** @returns the document with all targets */
  scan(): Promise<Uint8Array>;
  /** @returns whether there may have been a change since the last poll */
  poll(): Promise<boolean>;
  /** Ends the listening to events that scans have begun. */
  stopWatching(): void;
}

/** A document and its version, which depends on nothing but its content. */
export interface VersionedDocument {
  readonly document: Uint8Array;
  readonly version: string;
}

export function versioned(document: Uint8Array): VersionedDocument {
  return { document, version: createHash('sha256').update(document).digest('base64url') };
}

/** Keeps the list of targets up to date while somebody waits for it to change; else it rests. */
export class TargetWatch {
  private current?: VersionedDocument;
  /** Why the last scan failed; undefined: it did not. */
  private failure?: Error;
  private running = false;
  private waiting = 0;
  private lastWaitMs = 0;
  private readonly waiters = new Set<() => void>();
  /** Wakes the watch up. */
  private alarm = new AbortController();
  private hasEvent = false;

  constructor(private readonly scanner: WatchedScanner) {}

  /** A runtime reports a change. */
  onEvent(): void {
    this.hasEvent = true;
    this.alarm.abort();
  }

  /**
   * @param version of the document that the caller knows
   * @param timeoutMs after which the caller gets the document even if it has not changed
   * @throws Error when the targets cannot be listed; the reason of the signal
   */
  async whenChanged(version: string, timeoutMs: number, signal: AbortSignal): Promise<VersionedDocument> {
    const deadline = performance.now() + timeoutMs;
    this.waiting++;
    try {
      this.start();
      while (performance.now() < deadline) {
        signal.throwIfAborted();
        if (this.current && this.current.version !== version) return this.current;
        await this.nextScan(deadline - performance.now(), signal);
        if (this.failure) throw this.failure;
      }
      return this.current ?? versioned(await this.scanner.scan());
    } finally {
      this.waiting--;
      this.lastWaitMs = performance.now();
    }
  }

  private async nextScan(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.waiters.add(resolve);
    const timer = setTimeout(resolve, timeoutMs);
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    clearTimeout(timer);
    this.waiters.delete(resolve);
  }

  private start(): void {
    if (this.running) return;
    this.running = true;
    void this.run();
  }

  private async run(): Promise<void> {
    let nextScanMs = 0;
    let earliestScanMs = 0;
    while (this.waiting > 0 || performance.now() - this.lastWaitMs < LINGER_MS) {
      const isDue = performance.now() >= nextScanMs;
      const { hasEvent } = this;
      if ((await this.haveTargetsChanged()) || hasEvent || isDue) {
        await this.sleep(Math.max(hasEvent ? SETTLE_MS : 0, earliestScanMs - performance.now()), false);
        this.hasEvent = false;
        const beginMs = performance.now();
        await this.scan();
        const endMs = performance.now();
        nextScanMs = endMs + SCAN_INTERVAL_MS;
        earliestScanMs = endMs + REST_FACTOR * (endMs - beginMs);
      }
      await this.sleep(POLL_INTERVAL_MS, true);
    }
    this.running = false;
    delete this.current; // it will be outdated when somebody asks again
    delete this.failure;
    this.scanner.stopWatching();
  }

  private async haveTargetsChanged(): Promise<boolean> {
    try {
      return await this.scanner.poll();
    } catch {
      return true; // the scan, which fails in the same way, reports it
    }
  }

  private async scan(): Promise<void> {
    try {
      this.current = versioned(await this.scanner.scan());
      delete this.failure;
    } catch (error) {
      this.failure = error as Error;
    }
    for (const resolve of this.waiters) resolve();
  }

  /** @param wakes whether an event ends the sleep */
  private async sleep(ms: number, wakes: boolean): Promise<void> {
    if (ms <= 0 || (wakes && this.hasEvent)) return;
    this.alarm = new AbortController();
    await sleep(ms, undefined, wakes ? { signal: this.alarm.signal } : {}).catch(() => undefined);
  }
}
