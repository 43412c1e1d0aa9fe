import type { Logger } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { NetnsReference } from '../../shared/protocol/capture-spec.js';
import type { LogFields } from '../../shared/logging/log-line.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import { authenticatedUserOf } from '../access/authenticated-user.js';
import type { CaptureClient } from './capture-client.js';
import type { CaptureMetrics, ObservedSession } from './capture-metrics.js';
import type { CaptureOpener } from './capture-opener.js';
import type { Capture } from './capture-provider.js';
import type { CaptureMaxima } from './request/capture-limits.js';
import { parseCaptureRequest, type CaptureRequest } from './request/capture-request.js';
import type { CaptureSlot, CaptureSlots } from './capture-slots.js';
import { SHUTTING_DOWN, closingForEnd, closingForError, closingForStop } from './close-codes.js';
import type { Closing } from './close-codes.js';
import { releaseCaptureId, takeCaptureId } from './capture-id.js';
import type { ClientConnection } from '../http/client-connection.js';
import type { ClientIdentity } from '../http/client-identity.js';
import { clientOf, ownConnection } from '../http/client-address.js';

/** For the log and the metrics only: the connection is closed already. */
const CLIENT_LEFT: Closing = { code: 1000, cause: 'client-left', message: 'the client left' };

/** How long a capture that this service ends may take. */
interface EndTimes {
  /** To send the rest of the stream; then the connection is closed. */
  readonly drainMs: number;
  /** To answer the close; then the connection is cut. */
  readonly answerMs: number;
}

/** The sum is less than the supervisor allows the server. */
const SHUTDOWN_TIMES: EndTimes = { drainMs: 1_500, answerMs: 500 };
const STOP_TIMES: EndTimes = { drainMs: 5_000, answerMs: 5_000 };

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

/** What the list of captures says about one. */
export interface RunningCapture {
  readonly request: CaptureRequest;
  readonly capture: Capture;
  /** Inode number of the network namespace; absent: it is a set. */
  readonly netns?: number;
}

/** One client and its capture, from the request to the end of the connection. */
export class CaptureSession implements ObservedSession {
  readonly id = takeCaptureId();
  readonly begunAt = new Date();
  private readonly abort = new AbortController();
  private wanted?: CaptureRequest;
  private capture?: Capture;
  private reference?: NetnsReference;
  private slot?: CaptureSlot;
  private chunkBytes = 0;
  /** Why this service closes, decided while the capture still runs. */
  private decided?: Closing;
  private readonly begunAtMs = performance.now();
  private shuttingDown = false;

  constructor(
    readonly client: CaptureClient,
    private readonly request: IncomingMessage,
    private readonly services: SessionServices,
  ) {
    client.onViolation = (closing) => this.closeBecauseOf(closing);
    void this.closed.then(() => {
      this.onClientLeft();
      releaseCaptureId(this.id);
    });
    services.metrics.watch(this);
  }

  /** Settles when the connection has ended; never rejects. */
  get closed(): Promise<void> {
    return this.client.closed;
  }

  /** Who asked for the capture; undefined: unknown. */
  get user(): string | undefined {
    return this.services.identity.of(this.request).user;
  }

  get connection(): ClientConnection {
    return this.client.connection;
  }

  get bytesSent(): number {
    return this.capture?.direct?.streamBytes ?? this.chunkBytes;
  }

  get socket(): Socket {
    return this.request.socket;
  }

  /** The running capture, for the list of captures; undefined: it has not begun, or has ended. */
  get running(): RunningCapture | undefined {
    const { wanted: request, capture, reference } = this;
    if (!request || !capture || !this.client.isOpen) return undefined;
    return { request, capture, ...(reference && { netns: reference.netns }) };
  }

  get isCapturing(): boolean {
    return this.capture !== undefined;
  }

  /** Serves the client until the connection is closed or closing; never rejects. */
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

  /** Ends the capture because the service is shutting down. Resolves when the connection has ended; never rejects. */
  shutDown(): Promise<void> {
    this.shuttingDown = true;
    return this.endWithin(SHUTDOWN_TIMES, SHUTTING_DOWN);
  }

  /** Ends the capture because somebody asked for that; never rejects. @param user who, if known */
  endFor(user: string | undefined): Promise<void> {
    this.decided ??= closingForStop(user);
    return this.endWithin(STOP_TIMES, this.decided);
  }

  /** What was captured so far is still sent, but a client that does not read it would never come to the end. */
  private async endWithin({ drainMs, answerMs }: EndTimes, closing: Closing): Promise<void> {
    this.stopCapturing();
    if (await this.closesWithin(drainMs)) return;
    this.close(closing);
    if (await this.closesWithin(answerMs)) return;
    this.client.terminate();
    await this.closed;
  }

  private closesWithin(timeMs: number): Promise<boolean> {
    const closed = this.closed.then(() => true);
    return Promise.race([closed, delay(timeMs, false, { ref: false })]);
  }

  private async serve(): Promise<Closing> {
    try {
      this.wanted = parseCaptureRequest(this.request, this.services.maxima);
      const capture = await this.open(this.wanted);
      await this.client.begin(this.wanted.target);
      capture.clientReady?.();
      if (!capture.direct) await this.send(capture);
      const end = await capture.end;
      if (end.code === 'internal') return closingForEnd(end); // also when the connection had to be cut
      if (this.decided) return this.decided;
      if (!this.client.isOpen) return CLIENT_LEFT;
      if (this.shuttingDown) return SHUTTING_DOWN;
      // The engine may notice first that a client has left.
      return capture.direct && end.code === 'stopped' ? CLIENT_LEFT : closingForEnd(end);
    } catch (error) {
      if (this.decided) return this.decided;
      if (!this.client.isOpen) return CLIENT_LEFT;
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
      user: authenticatedUserOf(this.request),
      onForbidden: (error) => {
        this.decided ??= closingForError(error);
        void this.endWithin(STOP_TIMES, this.decided);
      },
    });
    this.capture = capture;
    this.reference = reference;
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
      if (!this.client.isOpen) return;
      this.chunkBytes += chunk.byteLength;
      if (!(await this.client.send(chunk))) return;
    }
  }

  private closeBecauseOf(violation: Closing): void {
    this.decided = violation;
    this.close(violation);
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
  private close(closing: Closing): void {
    this.client.close(closing, this.capture?.direct);
  }

  private report(closing: Closing): void {
    const { code, cause, message: reason } = closing;
    if (this.capture) this.services.metrics.captureEnded(closing);
    else this.services.metrics.captureRefused(closing);
    const seconds = Math.round(this.ageMs) / 1000;
    const { bytesSent: bytes, client } = this;
    const facts = {
      code,
      cause,
      reason,
      bytes,
      seconds,
      client: clientOf(this.socket),
      clientError: client.error,
      ...(!this.capture && this.wanted && wantedTarget(this.wanted)),
    };
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
}

function wantedTarget({ target: { name, netns } }: CaptureRequest): LogFields {
  return { netns, target: name };
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
