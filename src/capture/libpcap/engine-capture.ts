import { connect, type Socket } from 'node:net';
import { CaptureError } from '../capture-errors.js';
import type { Capture, CaptureEnd } from '../capture-provider.js';

/** More than a unix socket holds, so that one read takes all there is. */
const READ_BUFFER_BYTES = 256 * 1024;
/** The data connection may end a moment before the control connection tells why. */
const REASON_WAIT_MS = 1_000;

const ENGINE_LOST = 'the capture engine has failed';

/** Where the pcapng of a capture comes from. */
export interface DataSource {
  /** Of the engine's unix socket. */
  readonly path: string;
  /** The line that says which capture it is for. */
  readonly greeting: string;
}

interface Controls {
  /** Asks the engine for the end. */
  stop(): void;
  /** Called once when everything is over. */
  over(): void;
}

/**
 * One capture of an engine as the front sees it. Nothing is read ahead: the next piece is taken out of the data connection
 * when the last one is done with, always into the same memory, and what is not taken makes the engine wait.
 */
export class EngineCapture implements Capture {
  readonly chunks: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => this.iterator };
  readonly end: Promise<CaptureEnd>;
  private readonly data: Socket;
  private readonly start = Promise.withResolvers<void>();
  private readonly ending = Promise.withResolvers<CaptureEnd>();
  /** Read, and not asked for yet. */
  private chunk?: Uint8Array;
  private finished = false;
  /** Whoever waits for the next piece. */
  private wanted?: (result: IteratorResult<Uint8Array, undefined>) => void;

  constructor(
    source: DataSource,
    private readonly controls: Controls,
  ) {
    this.end = this.ending.promise;
    this.start.promise.catch(() => undefined); // `whenStarted` tells
    this.data = connect({
      path: source.path,
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BUFFER_BYTES),
        callback: (bytes, buffer) => this.onRead(bytes, buffer),
      },
    });
    this.data.write(source.greeting);
    this.data.on('error', () => undefined); // 'close' follows
    this.data.on('close', () => this.onDataClosed());
  }

  /**
   * @param signal ends the capture whenever it is aborted, before or after the start
   * @throws CaptureError
   */
  async whenStarted(signal: AbortSignal): Promise<this> {
    const giveUp = (): void => this.abandoned();
    if (signal.aborted) giveUp();
    signal.addEventListener('abort', giveUp);
    void this.end.then(() => signal.removeEventListener('abort', giveUp));
    await this.start.promise;
    return this;
  }

  stop(): void {
    this.controls.stop();
  }

  /** Nobody wants it any more. The engine notices when the connection closes. */
  private abandoned(): void {
    this.start.reject(new CaptureError('internal', 'the client has gone'));
    this.leave({ code: 'stopped', message: 'nobody wants it any more' });
  }

  /** The engine says: it runs. */
  started(): void {
    this.start.resolve();
  }

  /** The engine says: it will not run. */
  refused(error: CaptureError): void {
    this.start.reject(error);
    this.leave({ code: 'internal', message: error.message });
  }

  /** The engine says why it has ended. The last packets may still be on their way. */
  ended(end: CaptureEnd): void {
    this.ending.resolve({ code: end.code, message: end.message, totals: end.totals });
  }

  /** The engine is gone. */
  lost(): void {
    this.start.reject(new CaptureError('internal', ENGINE_LOST));
    this.leave({ code: 'internal', message: ENGINE_LOST });
  }

  private readonly iterator: AsyncIterator<Uint8Array, undefined> = {
    next: () => {
      const { chunk } = this;
      this.chunk = undefined;
      if (chunk) return Promise.resolve({ done: false, value: chunk });
      if (this.finished) return Promise.resolve(DONE);
      this.data.resume();
      return new Promise((resolve) => (this.wanted = resolve));
    },
    return: () => {
      this.leave({ code: 'stopped', message: 'nobody reads it any more' });
      return Promise.resolve(DONE);
    },
  };

  /** @returns whether to go on reading: no, its memory is in use now */
  private onRead(bytes: number, buffer: Uint8Array): boolean {
    const chunk = buffer.subarray(0, bytes);
    const { wanted } = this;
    this.wanted = undefined;
    if (wanted) wanted({ done: false, value: chunk });
    else this.chunk = chunk;
    return false;
  }

  private leave(end: CaptureEnd): void {
    this.ending.resolve(end);
    this.data.destroy();
  }

  private onDataClosed(): void {
    this.finished = true;
    this.start.reject(new CaptureError('internal', ENGINE_LOST));
    const timer = setTimeout(() => this.leave({ code: 'internal', message: ENGINE_LOST }), REASON_WAIT_MS);
    void this.end.then(() => {
      clearTimeout(timer);
      this.controls.over();
      this.wanted?.(DONE);
    });
  }
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };
