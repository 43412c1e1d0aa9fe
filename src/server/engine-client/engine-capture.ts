import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { Capture, CaptureEnd, TakePiece } from '../capture/capture-provider.js';
import { AskedPieces } from './asked-pieces.js';
import { EngineData, type DataSource } from './engine-data.js';

/** The data connection may end a moment before the control connection tells why. */
const REASON_WAIT_MS = 1_000;

const ENGINE_LOST = 'the capture engine has failed';
const UNREAD: CaptureEnd = { code: 'stopped', message: 'nobody reads it any more' };

interface Controls {
  /** Asks the engine for the end. */
  stop(): void;
  /** Called once when everything is over. */
  over(): void;
}

/** One capture of an engine as the server sees it. */
export class EngineCapture implements Capture {
  readonly chunks: AsyncIterable<Uint8Array> = new AskedPieces(
    (take) => this.deliver(take),
    () => this.leave(UNREAD),
  );
  readonly end: Promise<CaptureEnd>;
  private readonly data: EngineData;
  private readonly start = Promise.withResolvers<void>();
  private readonly ending = Promise.withResolvers<CaptureEnd>();
  private readonly delivered = Promise.withResolvers<void>();

  constructor(
    source: DataSource,
    private readonly controls: Controls,
  ) {
    this.end = this.ending.promise;
    this.start.promise.catch(() => undefined); // `whenStarted` tells
    this.data = new EngineData(source, () => this.onDataClosed());
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

  deliver(take: TakePiece): Promise<void> {
    this.data.deliver(take, () => this.leave(UNREAD));
    return this.delivered.promise;
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

  private leave(end: CaptureEnd): void {
    this.ending.resolve(end);
    this.data.destroy();
  }

  private onDataClosed(): void {
    this.start.reject(new CaptureError('internal', ENGINE_LOST));
    const timer = setTimeout(() => this.leave({ code: 'internal', message: ENGINE_LOST }), REASON_WAIT_MS);
    void this.end.then(() => {
      clearTimeout(timer);
      this.controls.over();
      this.delivered.resolve();
    });
  }
}
