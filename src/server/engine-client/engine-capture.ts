import { connect, type Socket } from 'node:net';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import {
  HEADER_ROOM_BYTES,
  type Capture,
  type CaptureEnd,
  type TakePiece,
} from '../capture/capture-provider.js';

/** The stream may end shortly before the control connection says why. */
const REASON_TIMEOUT_MS = 1_000;

/**
 * An engine without free file descriptors cannot accept the connection, which then waits in the kernel's backlog. On a machine
 * that is overloaded, 256 connections at once may wait for 5 s.
 */
const ACCEPT_TIMEOUT_MS = 20_000;

const ENGINE_FAILED = 'the capture engine has failed';

/** The connection of one capture. */
export interface CaptureSource {
  /** Path of the engine's unix socket. */
  readonly path: string;
  /** First line of the connection: the capture spec. */
  readonly greeting: string;
  /** Maximum number of bytes per read. */
  readonly maxChunkBytes: number;
}

interface Controls {
  /** Asks the engine to end the capture. */
  stop(): void;
  /** Called once when everything is over. */
  onOver(): void;
}

/**
 * One capture of an engine, from the server's point of view.
 *
 * Nothing is read ahead: the next chunk is read when the previous one is done with, always into the same memory. While
 * chunks are not taken, the engine waits.
 */
export class EngineCapture implements Capture {
  readonly end: Promise<CaptureEnd>;
  private readonly socket: Socket;
  private readonly memory: Buffer;
  private readonly start = Promise.withResolvers<void>();
  private readonly ending = Promise.withResolvers<CaptureEnd>();
  private readonly delivered = Promise.withResolvers<void>();
  private readonly acceptTimer: NodeJS.Timeout;
  private awaitsAcceptance = true;
  private take?: TakePiece;
  /** Bytes in `memory` that arrived before `deliver` or `chunks` was used. */
  private untakenBytes = 0;

  constructor(
    { path, greeting, maxChunkBytes }: CaptureSource,
    private readonly controls: Controls,
  ) {
    this.end = this.ending.promise;
    this.start.promise.catch(() => undefined); // `whenStarted` rejects with it
    // When this process continues after SIGSTOP, the timer may fire before the event loop has read what arrived meanwhile.
    // setImmediate() runs after the event loop has read.
    this.acceptTimer = setTimeout(() => setImmediate(() => this.onAcceptTimeout()), ACCEPT_TIMEOUT_MS);
    this.memory = Buffer.allocUnsafeSlow(HEADER_ROOM_BYTES + maxChunkBytes);
    this.socket = connect({
      path,
      onread: { buffer: this.memory.subarray(HEADER_ROOM_BYTES), callback: (bytes) => this.onRead(bytes) },
    });
    this.socket.write(greeting);
    this.socket.on('error', () => undefined); // 'close' follows
    this.socket.on('close', () => this.onClosed());
  }

  /**
   * @param signal ends the capture when it is aborted, before or after the start
   * @throws CaptureError
   */
  async whenStarted(signal: AbortSignal): Promise<this> {
    const onAbort = (): void => this.onAborted();
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    void this.end.then(() => signal.removeEventListener('abort', onAbort));
    await this.start.promise;
    return this;
  }

  deliver(take: TakePiece): Promise<void> {
    this.take = take;
    const bytes = this.untakenBytes;
    this.untakenBytes = 0;
    if (bytes === 0 || this.onRead(bytes)) this.socket.resume();
    return this.delivered.promise;
  }

  get chunks(): AsyncIterable<Uint8Array> {
    const chunks = this.iterate();
    const leave = (): Promise<IteratorResult<Uint8Array, void>> => {
      this.stopReading(); // a generator that has not begun, or awaits a chunk, would not notice
      return chunks.return();
    };
    return { [Symbol.asyncIterator]: () => ({ next: () => chunks.next(), return: leave }) };
  }

  stop(): void {
    this.controls.stop();
  }

  /** The engine reports that it has read the spec. */
  onAccepted(): void {
    this.awaitsAcceptance = false;
    clearTimeout(this.acceptTimer);
  }

  /** The engine reports that the capture runs. */
  onStarted(): void {
    this.start.resolve();
  }

  /** The engine reports that the capture cannot begin. */
  onRefused(error: CaptureError): void {
    this.start.reject(error);
    this.close({ code: 'internal', message: error.message });
  }

  /** The engine reports why the capture has ended, perhaps before it ran. The last packets may still be on their way. */
  onEnded({ code, message, totals }: CaptureEnd): void {
    this.start.resolve();
    this.ending.resolve({ code, message, ...(totals && { totals }) });
  }

  /** The engine has failed. */
  onLost(): void {
    this.start.reject(new CaptureError('internal', ENGINE_FAILED));
    this.close({ code: 'internal', message: ENGINE_FAILED });
  }

  private onAcceptTimeout(): void {
    if (!this.awaitsAcceptance) return;
    const message = 'the capture engine does not accept connections';
    this.start.reject(new CaptureError('internal', message));
    this.close({ code: 'internal', message });
  }

  private onAborted(): void {
    this.start.reject(new CaptureError('internal', 'the client has disconnected'));
    this.stopReading();
  }

  /** The engine notices when the connection closes. */
  private stopReading(): void {
    this.close({ code: 'stopped', message: 'the stream is no longer read' });
  }

  private close(end: CaptureEnd): void {
    this.ending.resolve(end);
    this.socket.destroy();
  }

  private onClosed(): void {
    this.awaitsAcceptance = false;
    clearTimeout(this.acceptTimer);
    const timer = setTimeout(() => this.onLost(), REASON_TIMEOUT_MS);
    void this.end.then(() => {
      clearTimeout(timer);
      this.controls.onOver();
      this.delivered.resolve();
    });
  }

  /**
   * Pausing and resuming a socket costs system calls, so it keeps reading as long as chunks are taken synchronously.
   *
   * @returns whether to keep reading
   */
  private onRead(bytes: number): boolean {
    if (!this.take) {
      this.untakenBytes = bytes;
      return false;
    }
    const wantsMore = this.take(this.memory, HEADER_ROOM_BYTES, HEADER_ROOM_BYTES + bytes);
    if (wantsMore === true) return true;
    if (wantsMore === false) this.stopReading();
    else void wantsMore.then((more) => (more ? this.socket.resume() : this.stopReading()));
    return false;
  }

  /** The chunks of `deliver`, for readers that ask for one chunk after the other. */
  private async *iterate(): AsyncGenerator<Uint8Array, void> {
    let arrived = Promise.withResolvers<Uint8Array | undefined>();
    let takeNext: ((more: boolean) => void) | undefined;
    const delivery = this.deliver((memory, start, end) => {
      arrived.resolve(memory.subarray(start, end));
      return new Promise((resolve) => (takeNext = resolve));
    });
    let isOver = false;
    void delivery.then(() => {
      isOver = true;
      arrived.resolve(undefined);
    });
    try {
      for (let chunk = await arrived.promise; chunk; chunk = await arrived.promise) {
        yield chunk;
        if (isOver) return; // the connection was closed while the reader had the chunk
        arrived = Promise.withResolvers();
        takeNext?.(true);
      }
    } finally {
      this.stopReading(); // the reader has left the loop, or everything is over already
    }
  }
}
