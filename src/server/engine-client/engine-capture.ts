import { connect, type Socket } from 'node:net';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { SetMember } from '../../shared/protocol/capture-spec.js';
import type { DirectProgress, EngineEvent } from '../../shared/protocol/protocol.js';
import type { CaptureEnd, DirectStream, SetCapture, SetObserver } from '../capture/capture-provider.js';
import type { ClientConnection } from '../http/client-connection.js';

/** The stream may end shortly before the control connection says why. */
const REASON_TIMEOUT_MS = 1_000;

/**
 * An engine without free file descriptors cannot accept the connection, which then waits in the kernel's backlog. On a machine
 * that is overloaded, 256 connections at once may wait for 5 s.
 */
const ACCEPT_TIMEOUT_MS = 20_000;

/** A request is one line, which has room for the longest names of these. */
const MEMBERS_PER_REQUEST = 64;

const ENGINE_FAILED = 'the capture engine has failed';

/** The connection of one capture. */
export interface CaptureSource {
  /** Path of the engine's unix socket. */
  readonly path: string;
  /** First line of the connection: the capture spec. */
  readonly greeting: string;
  /** Number of bytes that are read ahead of the reader of `chunks`. */
  readonly maxChunkBytes: number;
  /** The connection that the greeting offers to the engine. */
  readonly client?: ClientConnection | undefined;
  /** Of a set. */
  readonly observer?: SetObserver | undefined;
}

type MemberEvent = Extract<EngineEvent, { type: 'attached' | 'left' }>;

interface Controls {
  /** Asks the engine to end the capture. */
  stop(): void;
  /** Tells the engine that the client is ready for its stream. */
  deliver(): void;
  /** Asks the engine to write to the client. */
  write(bytes: Buffer, last: boolean): void;
  attach(members: readonly SetMember[]): void;
  detach(memberId: number, reason: string): void;
  comment(text: string): void;
  /** Called once when everything is over. */
  onOver(): void;
}

/**
 * One capture of an engine, from the server's point of view. The engine writes the stream to the connection of the client;
 * where it cannot, the stream arrives here.
 */
export class EngineCapture implements SetCapture {
  readonly end: Promise<CaptureEnd>;
  direct?: DirectStream;
  private readonly socket: Socket;
  private readonly start = Promise.withResolvers<void>();
  private readonly ending = Promise.withResolvers<CaptureEnd>();
  private readonly acceptTimer: NodeJS.Timeout;
  private awaitsAcceptance = true;
  private readonly client: ClientConnection | undefined;
  private readonly observer: SetObserver | undefined;
  /** Whether the engine may have stopped in the middle of a message. */
  private blocked = false;
  /** The engine has reported whether the capture runs. */
  private answered = false;
  /** Nobody wants the capture any more, but the engine may have begun to write to the client. */
  private abandoned = false;

  constructor(
    { path, greeting, maxChunkBytes, client, observer }: CaptureSource,
    private readonly controls: Controls,
  ) {
    this.client = client;
    this.observer = observer;
    this.end = this.ending.promise;
    this.start.promise.catch(() => undefined); // `whenStarted` rejects with it
    // When this process continues after SIGSTOP, the timer may fire before the event loop has read what arrived meanwhile.
    // setImmediate() runs after the event loop has read.
    this.acceptTimer = setTimeout(() => setImmediate(() => this.onAcceptTimeout()), ACCEPT_TIMEOUT_MS);
    const options = { path, highWaterMark: maxChunkBytes }; // of the stream, missing in the types of connect
    this.socket = connect(options);
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

  get chunks(): AsyncIterable<Uint8Array> {
    const chunks = this.readChunks();
    const leave = (): Promise<IteratorResult<Uint8Array, void>> => {
      this.stopReading(); // a generator that has not begun would not notice
      return chunks.return();
    };
    return { [Symbol.asyncIterator]: () => ({ next: () => chunks.next(), return: leave }) };
  }

  clientReady(): void {
    if (this.direct && this.client?.framing === 'plain') this.controls.deliver();
  }

  stop(): void {
    this.controls.stop();
  }

  /** The engine reports that it has read the spec. */
  attach(members: readonly SetMember[]): void {
    for (let i = 0; i < members.length; i += MEMBERS_PER_REQUEST) {
      this.controls.attach(members.slice(i, i + MEMBERS_PER_REQUEST));
    }
  }

  detach(memberId: number, reason: string): void {
    this.controls.detach(memberId, reason);
  }

  comment(text: string): void {
    this.controls.comment(text);
  }

  onAccepted(): void {
    this.awaitsAcceptance = false;
    clearTimeout(this.acceptTimer);
    if (this.abandoned) this.stop(); // it did not know the capture before
  }

  /** The engine reports that the capture runs. */
  onStarted({ direct, interfaces }: Extract<EngineEvent, { type: 'started' }>): void {
    this.answered = true;
    if (direct && this.client) {
      this.direct = { streamBytes: 0, interfaces };
      this.client.writeThrough((bytes, last) => this.controls.write(bytes, last));
      this.socket.resume(); // nothing arrives here but the end
    } else {
      this.client?.takeBack();
      if (this.abandoned) this.stopReading();
    }
    if (this.abandoned) this.stop();
    this.start.resolve();
  }

  /** The engine reports what happened to a member of the set. */
  onMember(event: MemberEvent): void {
    if (event.type === 'attached') this.observer?.onAttached(event.memberId);
    else this.observer?.onLeft(event.memberId, event.code, event.message);
  }

  /** The engine reports what it has written to the client. */
  onProgress({ streamBytes, sentBytes, blocked, ...counts }: DirectProgress): void {
    const { interfaces, packets, dropped } = counts;
    if (this.direct) this.direct = { streamBytes, interfaces, packets, dropped };
    this.blocked = blocked;
    this.client?.noteProgress(sentBytes, blocked);
  }

  /** The engine has written the bytes that it was asked to write. */
  onWritten(): void {
    this.client?.noteWritten();
  }

  /** The engine reports that the capture cannot begin. */
  onRefused(error: CaptureError): void {
    this.fail(error);
  }

  /** The engine reports why the capture has ended, perhaps before it ran. The last packets may still be on their way. */
  onEnded(ended: Extract<EngineEvent, { type: 'ended' }>): void {
    const { code, message, totals, direct, streamBytes, interfaces } = ended;
    const { packets, dropped } = totals;
    if (direct) this.direct = { streamBytes, interfaces, packets, dropped };
    this.blocked = false;
    this.client?.takeBack();
    this.start.resolve();
    this.ending.resolve({ code, message, totals });
    if (direct || this.abandoned) this.socket.resume(); // nobody reads `chunks`
  }

  /** The engine has failed. */
  onLost(): void {
    // After an incomplete message the client would take everything else for the rest of it.
    if (this.blocked) this.client?.destroy();
    this.fail(new CaptureError('internal', ENGINE_FAILED));
  }

  private onAcceptTimeout(): void {
    if (!this.awaitsAcceptance) return;
    this.fail(new CaptureError('internal', 'the capture engine does not accept connections'));
  }

  /** From now on this process writes to the client again, unless the connection was cut. */
  private fail(error: CaptureError): void {
    this.client?.takeBack();
    this.start.reject(error);
    this.close({ code: 'internal', message: error.message });
  }

  private onAborted(): void {
    this.start.reject(new CaptureError('internal', 'the client has disconnected'));
    // A client that is still there gets a close frame, which must not be written into a message of the engine.
    this.abandoned = this.client?.isLent === true && !this.client.destroyed && !this.answered;
    if (this.abandoned) this.stop();
    else this.stopReading();
  }

  private stopReading(): void {
    this.close({ code: 'stopped', message: 'the stream is no longer read' });
  }

  private async *readChunks(): AsyncGenerator<Uint8Array, void> {
    try {
      yield* this.socket as AsyncIterable<Uint8Array>;
    } catch {
      // ECONNRESET or ERR_STREAM_PREMATURE_CLOSE: the engine has failed, or the capture was aborted; `end` says why.
    }
  }

  /** The engine notices when the connection closes. */
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
    });
  }
}
