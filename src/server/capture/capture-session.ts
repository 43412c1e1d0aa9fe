import type { Logger } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { NetnsReference } from '../../shared/protocol/capture-spec.js';
import type { LogFields } from '../../shared/logging/log-line.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { CaptureMetrics, ObservedSession } from './capture-metrics.js';
import type { CaptureOpener } from './capture-opener.js';
import type { Capture, TakePiece } from './capture-provider.js';
import type { CaptureSlot, CaptureSlots } from './request/capture-slots.js';
import { hasContainerHeader, parseCaptureRequest } from './request/capture-request.parser.js';
import type { CaptureRequest } from './request/capture-request.parser.js';
import { SHUTTING_DOWN, closeReason, closingForEnd, closingForError } from './close-codes.js';
import type { Closing } from './close-codes.js';
import { releaseCaptureId, takeCaptureId } from './capture-id.js';
import { InPlaceMessages } from './in-place-messages.js';
import { clientOf, ownConnection } from '../http/client-address.js';
import { PcapngProgress, endingBlocks } from './reason-pcapng.js';

/** For the log only: there is nobody left to close. */
const THE_CLIENT_LEFT: Closing = { code: 1000, cause: 'client-left', message: 'the client left' };

/** All others are worth a warning. */
const ORDERLY_ENDS: ReadonlySet<number> = new Set([THE_CLIENT_LEFT.code, SHUTTING_DOWN.code]);

/** What all sessions share. */
export interface SessionServices {
  readonly opener: CaptureOpener;
  readonly slots: CaptureSlots;
  readonly metrics: CaptureMetrics;
  readonly logger: Logger;
}

/** One websocket and the capture that it carries, from the request to the close. */
export class CaptureSession implements ObservedSession {
  /** Settles when the websocket is closed; never rejects. */
  readonly closed: Promise<void>;

  private readonly abandoned = new AbortController();
  /** In every line of the log that is about this capture, and in its stream. */
  private readonly id = takeCaptureId();
  private readonly messages: InPlaceMessages;
  /** Followed only for clients that get the reason of the end within the stream. */
  private readonly progress?: PcapngProgress;
  private capture?: Capture;
  private slot?: CaptureSlot;
  bytesSent = 0;
  private readonly begunAtMs = performance.now();
  private shuttingDown = false;
  /** What the client did wrong, in the words of the websocket library. */
  private clientError?: string;

  constructor(
    private readonly client: WebSocket,
    private readonly request: IncomingMessage,
    private readonly services: SessionServices,
  ) {
    this.messages = new InPlaceMessages(request.socket);
    if (hasContainerHeader(request)) this.progress = new PcapngProgress();
    this.closed = new Promise((resolve) => client.once('close', () => resolve()));
    client.once('close', () => this.abandon());
    void this.closed.then(() => releaseCaptureId(this.id));
    // The websocket closes then; a frame that breaks the protocol, for one.
    client.once('error', ({ message }) => (this.clientError = message));
    services.metrics.watch(this);
  }

  get socket(): Socket {
    return this.request.socket;
  }

  get isCapturing(): boolean {
    return this.capture !== undefined;
  }

  /** Serves the client until there is nothing left to do; never rejects. */
  async run(): Promise<void> {
    try {
      const closing = await this.serve();
      this.close(closing);
      this.tell(closing);
    } catch (error) {
      this.logFailure(error);
      this.client.terminate();
    } finally {
      this.slot?.release();
    }
  }

  /** Nobody can find the client any more. */
  clientIsGone(): void {
    this.services.logger.log(
      this.about('the client has gone without a word', { client: clientOf(this.socket) }),
    );
    this.client.terminate();
  }

  /** Asks for the end, as the service is shutting down: what was captured so far still goes out. */
  shutDown(): void {
    this.shuttingDown = true;
    if (this.capture) this.stop(this.capture);
    else this.abandoned.abort();
  }

  /** Closes with what has been sent so far: the client or the capture took too long. */
  closeNow(): void {
    this.close(SHUTTING_DOWN);
  }

  /** Cuts the connection of a client that does not even answer a close. */
  terminate(): void {
    this.client.terminate();
  }

  private async serve(): Promise<Closing> {
    try {
      const capture = await this.open(parseCaptureRequest(this.request));
      await this.passOn(capture);
      if (!this.isOpen) return THE_CLIENT_LEFT;
      const end = await capture.end;
      return this.shuttingDown ? SHUTTING_DOWN : closingForEnd(end);
    } catch (error) {
      if (!this.isOpen) return THE_CLIENT_LEFT;
      if (this.shuttingDown) return SHUTTING_DOWN;
      // Our own errors are answers to the client; anything else is a defect, and somebody has to see it.
      if (!(error instanceof CaptureError)) this.logFailure(error);
      return closingForError(error);
    }
  }

  private async open(wish: CaptureRequest): Promise<Capture> {
    if (this.shuttingDown) throw new CaptureError('shutting-down', SHUTTING_DOWN.message);
    const connection = ownConnection(this.request.socket);
    this.slot = this.services.slots.take(this.request.socket.remoteAddress ?? '');
    const { capture, reference } = await this.services.opener.open(
      wish,
      connection ? [connection] : [],
      this.abandoned.signal,
      this.id,
    );
    this.capture = capture;
    this.services.metrics.captureStarted(this.ageMs);
    // Not everybody gets to read it, and a rejection that nobody handles would end the process.
    Promise.resolve(capture.end).catch(() => undefined);
    const facts = { ...description(wish, reference), client: clientOf(this.socket) };
    this.services.logger.log(this.about('capture started', facts));
    // The client went, or the shutdown began, while this was being opened.
    if (this.abandoned.signal.aborted) this.stop(capture);
    return capture;
  }

  /**
   * Sends what is captured, and takes the next piece when the socket has taken the last one: the provider may use
   * the memory again then, and a client that does not read costs this one piece, no queue.
   */
  private async passOn(capture: Capture): Promise<void> {
    if (capture.deliver) return capture.deliver(this.take);
    for await (const chunk of capture.chunks) {
      if (!this.isOpen) return;
      this.count(chunk);
      const sent = new Promise((resolve) => this.client.send(chunk, { binary: true }, resolve));
      if (await sent) return;
    }
  }

  private readonly take: TakePiece = (memory, start, end) => {
    if (!this.isOpen) return false;
    this.count(memory.subarray(start, end));
    return this.messages.send(memory, start, end);
  };

  /** When it is handed over, not when it is taken: a close may come in between, and queues up behind it. */
  private count(piece: Uint8Array): void {
    this.progress?.advance(piece);
    this.bytesSent += piece.byteLength;
  }

  /** The client is gone: an open in progress is void, and a capture that waits for packets must wake up. */
  private abandon(): void {
    this.abandoned.abort();
    if (this.capture) this.stop(this.capture);
  }

  /** Called from where a throw would end the process, and providers may be anybody's. */
  private stop(capture: Capture): void {
    try {
      capture.stop();
    } catch (error) {
      this.logFailure(error);
    }
  }

  /** The first close wins. */
  private close({ code, message }: Closing): void {
    if (!this.isOpen) return;
    // For clients whose users would not get to see the reason of the close.
    const lastWords = this.progress && endingBlocks(this.progress, message);
    if (lastWords) this.client.send(lastWords);
    this.client.close(code, closeReason(message));
  }

  private tell(closing: Closing): void {
    const { code, cause, message: reason } = closing;
    if (this.capture) this.services.metrics.captureEnded(closing);
    else this.services.metrics.captureRefused(closing);
    const seconds = Math.round(this.ageMs) / 1000;
    const { bytesSent: bytes, clientError } = this;
    const facts = { code, cause, reason, bytes, seconds, client: clientOf(this.socket), clientError };
    const event = this.about(this.capture ? 'capture ended' : 'capture refused', facts);
    if (ORDERLY_ENDS.has(code)) this.services.logger.log(event);
    else this.services.logger.warn(event);
  }

  private get ageMs(): number {
    return performance.now() - this.begunAtMs;
  }

  private logFailure(error: unknown): void {
    this.services.logger.error(this.about(error instanceof Error ? error.message : String(error), { error }));
  }

  private about(message: string, facts: LogFields): LogFields {
    return { message, capture: this.id, ...facts };
  }

  private get isOpen(): boolean {
    return this.client.readyState === this.client.OPEN;
  }
}

function description({ target, interfaces, filter }: CaptureRequest, { netns }: NetnsReference): LogFields {
  return {
    netns,
    target: target.name,
    interfaces: interfaces.length === 0 ? 'all' : interfaces.join('/'),
    filter: filter === '' ? undefined : filter,
  };
}
