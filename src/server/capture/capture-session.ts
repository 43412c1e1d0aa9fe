import type { Logger } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import type { NetnsReference } from '../../shared/protocol/capture-spec.js';
import type { LogFields } from '../../shared/logging/log-line.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { CaptureMetrics, ObservedSession } from './capture-metrics.js';
import type { CaptureOpener } from './capture-opener.js';
import type { Capture } from './capture-provider.js';
import type { CaptureMaxima } from './request/capture-limits.js';
import { hasContainerHeader, parseCaptureRequest, type CaptureRequest } from './request/capture-request.js';
import type { CaptureSlot, CaptureSlots } from './capture-slots.js';
import {
  SHUTTING_DOWN,
  closeReason,
  closingForEnd,
  closingForError,
  closingForFlood,
} from './close-codes.js';
import type { Closing } from './close-codes.js';
import { releaseCaptureId, takeCaptureId } from './capture-id.js';
import { InboundLimit } from './inbound-limit.js';
import type { ClientConnection } from '../http/client-connection.js';
import type { ClientIdentity } from '../http/client-identity.js';
import { clientOf, ownConnection } from '../http/client-address.js';
import { StreamEnding } from './reason-pcapng.js';

/** For the log and the metrics only: the websocket is closed already. */
const CLIENT_LEFT: Closing = { code: 1000, cause: 'client-left', message: 'the client left' };

/** Close codes that are logged as information; all others are logged as warnings. */
const ORDERLY_CODES: ReadonlySet<number> = new Set([CLIENT_LEFT.code, SHUTTING_DOWN.code]);

/** Shared by all sessions. */
export interface SessionServices {
  readonly opener: CaptureOpener;
  readonly slots: CaptureSlots;
  readonly maxima: CaptureMaxima;
  readonly metrics: CaptureMetrics;
  readonly logger: Logger;
  readonly identity: ClientIdentity;
}

/** One websocket and its capture, from the request to the close. */
export class CaptureSession implements ObservedSession {
  /** Settles when the websocket is closed; never rejects. */
  readonly closed: Promise<void>;

  private readonly abort = new AbortController();
  private readonly id = takeCaptureId();
  /** Only for clients that get the reason for the end within the stream. */
  private readonly ending?: StreamEnding;
  private capture?: Capture;
  private slot?: CaptureSlot;
  private chunkBytes = 0;
  /** Why this service closes, decided while the capture still runs. */
  private violation?: Closing;
  private readonly begunAtMs = performance.now();
  private shuttingDown = false;
  /** Protocol error of the client, as the websocket library reports it. */
  private clientError?: string;

  constructor(
    private readonly client: WebSocket,
    private readonly request: IncomingMessage,
    readonly connection: ClientConnection,
    private readonly services: SessionServices,
  ) {
    if (hasContainerHeader(request)) this.ending = new StreamEnding();
    this.closed = new Promise((resolve) => client.once('close', () => resolve()));
    client.once('close', () => this.onClientLeft());
    void this.closed.then(() => releaseCaptureId(this.id));
    // For instance a frame that violates the protocol; the websocket closes after it.
    client.once('error', ({ message }) => (this.clientError = message));
    new InboundLimit(client, connection, (message) => this.onTooMuch(message));
    services.metrics.watch(this);
  }

  get bytesSent(): number {
    return this.capture?.direct?.streamBytes ?? this.chunkBytes;
  }

  get socket(): Socket {
    return this.request.socket;
  }

  get isCapturing(): boolean {
    return this.capture !== undefined;
  }

  /** Serves the client until the websocket is closed or closing; never rejects. */
  async run(): Promise<void> {
    try {
      const closing = await this.serve();
      this.close(closing);
      this.report(closing);
    } catch (error) {
      this.logFailure(error);
      this.client.terminate();
    } finally {
      this.slot?.release();
    }
  }

  /** The client has disappeared without closing the connection. */
  clientDisappeared(): void {
    this.services.logger.log(
      this.about('the client disappeared without closing the connection', { client: clientOf(this.socket) }),
    );
    this.client.terminate();
  }

  /** Asks for the end because the service is shutting down. What was captured so far is still sent. */
  shutDown(): void {
    this.shuttingDown = true;
    this.stopCapturing();
  }

  /** Closes the websocket without waiting for the rest of the stream. */
  closeNow(): void {
    this.close(SHUTTING_DOWN);
  }

  /** Cuts the connection of a client that does not answer the close. */
  terminate(): void {
    this.client.terminate();
  }

  private async serve(): Promise<Closing> {
    try {
      const capture = await this.open(parseCaptureRequest(this.request, this.services.maxima));
      if (!capture.direct) await this.send(capture);
      const end = await capture.end;
      if (end.code === 'internal') return closingForEnd(end); // also when the connection had to be cut
      if (this.violation) return this.violation;
      if (!this.isOpen) return CLIENT_LEFT;
      if (this.shuttingDown) return SHUTTING_DOWN;
      // The engine may notice first that a client has left.
      return capture.direct && end.code === 'stopped' ? CLIENT_LEFT : closingForEnd(end);
    } catch (error) {
      if (this.violation) return this.violation;
      if (!this.isOpen) return CLIENT_LEFT;
      if (this.shuttingDown) return SHUTTING_DOWN;
      // A CaptureError is an answer to the client. Anything else is a defect, so it is logged with its stack.
      if (!(error instanceof CaptureError)) this.logFailure(error);
      return closingForError(error);
    }
  }

  private async open(request: CaptureRequest): Promise<Capture> {
    if (this.shuttingDown) throw new CaptureError('shutting-down', SHUTTING_DOWN.message);
    const connection = ownConnection(this.socket);
    this.slot = this.services.slots.take(this.request.socket.remoteAddress ?? '');
    const { capture, reference } = await this.services.opener.open(request, {
      captureId: this.id,
      excludedConnections: connection ? [connection] : [],
      signal: this.abort.signal,
      client: this.connection,
    });
    this.capture = capture;
    this.services.metrics.captureStarted(this.ageMs);
    // Not every path reads it, and an unhandled rejection would end the process.
    Promise.resolve(capture.end).catch(() => undefined);
    const facts = { ...description(request, reference), client: clientOf(this.socket) };
    this.services.logger.log(this.about('capture started', facts));
    // The client left, or the shutdown began, while this was being opened.
    if (this.abort.signal.aborted) this.stop(capture);
    return capture;
  }

  /** Sends the stream, and requests the next chunk when the kernel has accepted the last one. */
  private async send(capture: Capture): Promise<void> {
    for await (const chunk of capture.chunks) {
      if (!this.isOpen) return;
      // Before the chunk is accepted: a close may come in between, and is sent after the chunk.
      this.ending?.push(chunk);
      this.chunkBytes += chunk.byteLength;
      const sent = new Promise((resolve) => this.client.send(chunk, { binary: true }, resolve));
      if (await sent) return;
    }
  }

  /** Closes at once, and reads nothing more of what the client sends. */
  private onTooMuch(message: string): void {
    this.violation = closingForFlood(message);
    this.close(this.violation);
    this.connection.stopReading();
    this.stopCapturing();
  }

  private stopCapturing(): void {
    if (this.capture) this.stop(this.capture);
    else this.abort.abort();
  }

  /** Cancels an opening in progress; a capture that waits for packets must wake up. */
  private onClientLeft(): void {
    this.abort.abort();
    if (this.capture) this.stop(this.capture);
  }

  /** Called where an exception would end the process, and a team's provider may throw. */
  private stop(capture: Capture): void {
    try {
      capture.stop();
    } catch (error) {
      this.logFailure(error);
    }
  }

  /** The first close counts. */
  private close({ code, message }: Closing): void {
    if (!this.isOpen) return;
    const { direct } = this.capture ?? {};
    if (direct) this.ending?.assume(direct.interfaces);
    const blocks = this.ending?.blocks(message);
    if (blocks) this.client.send(blocks);
    this.client.close(code, closeReason(message));
  }

  private report(closing: Closing): void {
    const { code, cause, message: reason } = closing;
    if (this.capture) this.services.metrics.captureEnded(closing);
    else this.services.metrics.captureRefused(closing);
    const seconds = Math.round(this.ageMs) / 1000;
    const { bytesSent: bytes, clientError } = this;
    const facts = { code, cause, reason, bytes, seconds, client: clientOf(this.socket), clientError };
    const event = this.about(this.capture ? 'capture ended' : 'capture refused', facts);
    if (ORDERLY_CODES.has(code)) this.services.logger.log(event);
    else this.services.logger.warn(event);
  }

  private get ageMs(): number {
    return performance.now() - this.begunAtMs;
  }

  private logFailure(error: unknown): void {
    this.services.logger.error(this.about(error instanceof Error ? error.message : String(error), { error }));
  }

  private about(message: string, facts: LogFields): LogFields {
    return { message, capture: this.id, ...facts, ...this.services.identity.of(this.request) };
  }

  private get isOpen(): boolean {
    return this.client.readyState === this.client.OPEN;
  }
}

function description({ target, interfaces, filter }: CaptureRequest, reference?: NetnsReference): LogFields {
  return {
    netns: reference?.netns,
    targets: reference ? undefined : target.name,
    target: reference ? target.name : undefined,
    interfaces: interfaces.length === 0 ? 'all' : interfaces.join('/'),
    filter: filter === '' ? undefined : filter,
  };
}
