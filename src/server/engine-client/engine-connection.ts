import { Logger } from '@nestjs/common';
import { connect, type Socket } from 'node:net';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import { isCaptureId, type CaptureSpec, type SetSpec } from '../../shared/protocol/capture-spec.js';
import { LineReader, parseMessage, ProtocolError } from '../../shared/protocol/lines.js';
import {
  MAX_LINE_BYTES,
  PROTOCOL_VERSION,
  type EngineEvent,
  type EngineProblem,
  type EngineReport,
  type EngineRequest,
  type Greeting,
} from '../../shared/protocol/protocol.js';
import type { SetCapture, SetObserver } from '../capture/capture-provider.js';
import type { ClientConnection } from '../http/client-connection.js';
import { EngineCapture } from './engine-capture.js';

const RECONNECT_MS = 100;

/** A unix socket holds less, so one read takes everything that has arrived. */
const DEFAULT_MAX_CHUNK_BYTES = 256 * 1024;

/** An engine under load answers a few milliseconds late; Prometheus does not wait long for metrics. */
const REPORT_TIMEOUT_MS = 500;

/** All engines have the same problems, and have them again after a restart: each is logged once. */
const loggedProblems = new Set<string>();

/** How an engine starts and ends on demand. */
export interface OnDemand {
  /** Asks for the start of the engine that listens at that path. */
  requestStart(path: string): void;
  /** Whether the engine, which is idle, may end. */
  mayRest(engine: EngineConnection): boolean;
}

/**
 * The control connection to one engine. It reconnects when it is lost. An engine that starts on demand *rests*: it does not run,
 * and the connection is not made before `connect`.
 */
export class EngineConnection {
  private readonly logger = new Logger(EngineConnection.name);
  private readonly running = new Map<string, EngineCapture>();
  /** Ids of the captures that have neither been refused nor ended. */
  private readonly idsInUse = new Set<string>();
  private readonly waiters = new Set<() => void>();
  private readonly pendingReports = new Map<string, (report?: EngineReport) => void>();
  private socket?: Socket;
  /** The engine's name for the connection; undefined: not connected. */
  private name?: string;
  private reconnect?: NodeJS.Timeout;
  private closed = false;
  private lost = false;
  private lastReportId = 0;
  private reporting?: Promise<EngineReport | undefined>;
  private lastReport?: EngineReport;
  /** From the last hello of the engine; undefined: it has never been connected. */
  problems?: readonly EngineProblem[];
  resting: boolean;
  /** How often the engine came back after it was lost. */
  restarts = 0;

  /**
   * @param path of the engine's unix socket
   * @param maxChunkBytes maximum number of bytes of a capture that are read before its reader is done with them
   * @param onDemand absent: the engine runs whether it has anything to do or not
   */
  constructor(
    private readonly path: string,
    private readonly maxChunkBytes = DEFAULT_MAX_CHUNK_BYTES,
    private readonly onDemand?: OnDemand,
  ) {
    this.resting = onDemand !== undefined;
  }

  get connected(): boolean {
    return this.name !== undefined;
  }

  /** How many captures the engine runs or opens for this server. */
  get captures(): number {
    return this.running.size;
  }

  connect(): void {
    this.resting = false;
    const lines = new LineReader();
    const socket = connect(this.path);
    this.socket = socket;
    socket.on('connect', () => socket.write(line({ type: 'control', version: PROTOCOL_VERSION })));
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const text of lines.push(chunk)) this.handle(parseMessage(text) as EngineEvent);
      } catch (error) {
        if (!(error instanceof ProtocolError)) this.logger.error(error);
        socket.destroy();
      }
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      // Nothing listens there. The supervisor ignores the request if the engine is starting. 'close' follows.
      if (code === 'ENOENT' || code === 'ECONNREFUSED') this.onDemand?.requestStart(this.path);
    });
    socket.on('close', () => {
      // An engine that rests may have been needed again before this socket was closed.
      if (this.socket === socket) this.onLost();
    });
  }

  /** Ends all captures and does not reconnect. */
  close(): void {
    this.closed = true;
    clearTimeout(this.reconnect);
    this.socket?.destroy();
  }

  /** @throws the signal's reason when it is aborted first */
  async whenConnected(signal: AbortSignal): Promise<this> {
    signal.throwIfAborted(); // an aborted signal has no further events
    if (this.connected) return this;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.waiters.add(resolve);
    const onAbort = (): void => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      this.waiters.delete(resolve);
      signal.removeEventListener('abort', onAbort);
    }
    signal.throwIfAborted();
    return this;
  }

  /**
   * @param observer of a set
   * @throws CaptureError `invalid-request` for specs to which the engine could not respond
   */
  async start(
    spec: CaptureSpec | SetSpec,
    signal: AbortSignal,
    client?: ClientConnection,
    observer?: SetObserver,
  ): Promise<SetCapture> {
    if (this.name === undefined) throw new CaptureError('internal', 'the capture engine is not available');
    const { captureId } = spec;
    // The engine would close the connection without a reason: for the first two because its events name the capture.
    if (!isCaptureId(captureId)) throw new CaptureError('invalid-request', 'captureId is not a capture id');
    if (this.idsInUse.has(captureId)) {
      throw new CaptureError('invalid-request', `captureId: ${captureId} is already in use`);
    }
    const lent = client?.lend();
    const { path, maxChunkBytes } = this;
    const greeting = line({
      type: 'capture',
      connection: this.name,
      spec,
      ...(lent && { client: { ...lent, maxMessageBytes: maxChunkBytes } }),
    });
    if (Buffer.byteLength(greeting) > MAX_LINE_BYTES) {
      client?.takeBack();
      const message = `nif: the names of ${spec.interfaces.length} interfaces are too long`;
      throw new CaptureError('invalid-request', message);
    }
    const capture = new EngineCapture(
      { path, greeting, maxChunkBytes, client, observer },
      {
        stop: () => {
          if (this.running.get(captureId) === capture) this.request({ type: 'stop', captureId });
        },
        deliver: () => this.request({ type: 'deliver', captureId }),
        attach: (members) => this.request({ type: 'attach', captureId, members }),
        detach: (memberId, reason) => this.request({ type: 'detach', captureId, memberId, reason }),
        comment: (text) => this.request({ type: 'comment', captureId, text }),
        write: (bytes, last) =>
          this.request({ type: 'write', captureId, bytes: bytes.toString('base64'), last }),
        onOver: () => {
          // After a refusal the next attempt has the same id and may have begun already.
          if (this.running.get(captureId) !== capture) return;
          this.running.delete(captureId);
          this.idsInUse.delete(captureId);
        },
      },
    );
    this.running.set(captureId, capture);
    this.idsInUse.add(captureId);
    return capture.whenStarted(signal);
  }

  /**
   * The engine's report; an engine that does not answer in time has not lost its counts, so then it is the previous
   * one. Concurrent calls share a request.
   *
   * @returns undefined when the engine is not connected
   */
  async report(): Promise<EngineReport | undefined> {
    this.reporting ??= this.requestReport().finally(() => (this.reporting = undefined));
    const report = await this.reporting;
    if (!this.connected) this.lastReport = undefined;
    else if (report) this.lastReport = report;
    return this.lastReport;
  }

  private async requestReport(): Promise<EngineReport | undefined> {
    if (!this.connected) return undefined;
    const id = String(++this.lastReportId);
    const { promise, resolve } = Promise.withResolvers<EngineReport | undefined>();
    this.pendingReports.set(id, resolve);
    const timer = setTimeout(() => resolve(undefined), REPORT_TIMEOUT_MS);
    this.request({ type: 'report', id });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.pendingReports.delete(id);
    }
  }

  private handle(event: EngineEvent): void {
    switch (event.type) {
      case 'hello':
        this.problems = event.problems;
        for (const problem of event.problems) this.logOnce(problem);
        this.name = event.connection;
        if (this.lost) this.restarts++;
        this.lost = false;
        for (const resolve of this.waiters) resolve();
        return;
      case 'accepted':
        this.running.get(event.captureId)?.onAccepted();
        return;
      case 'started':
        this.running.get(event.captureId)?.onStarted(event);
        return;
      case 'attached':
      case 'left':
        this.running.get(event.captureId)?.onMember(event);
        return;
      case 'refused':
        this.idsInUse.delete(event.captureId);
        this.running.get(event.captureId)?.onRefused(new CaptureError(event.code, event.message));
        return;
      case 'ended':
        this.idsInUse.delete(event.captureId);
        this.running.get(event.captureId)?.onEnded(event);
        return;
      case 'idle':
        // A capture may have begun while the engine reported that. It reports it again every second.
        if (this.running.size > 0 || this.onDemand?.mayRest(this) !== true) return;
        this.resting = true;
        this.name = undefined;
        this.socket?.destroy();
        return;
      case 'written':
        this.running.get(event.captureId)?.onWritten();
        return;
      case 'progress':
        for (const each of event.captures) this.running.get(each.captureId)?.onProgress(each);
        return;
      case 'report':
        this.pendingReports.get(event.id)?.(event.report);
        return;
      default:
        event satisfies never;
    }
  }

  private logOnce({ part, message }: EngineProblem): void {
    // The supervisor has logged missing capabilities, and how to grant them.
    if (part === 'capabilities' || loggedProblems.has(message)) return;
    loggedProblems.add(message);
    this.logger.warn(message);
  }

  private onLost(): void {
    this.lost ||= this.connected;
    this.name = undefined;
    for (const capture of this.running.values()) capture.onLost();
    this.running.clear();
    this.idsInUse.clear();
    for (const resolve of this.pendingReports.values()) resolve();
    if (!this.closed && !this.resting) this.reconnect = setTimeout(() => this.connect(), RECONNECT_MS);
  }

  private request(message: EngineRequest): void {
    this.socket?.write(line(message));
  }
}

function line(message: EngineRequest | Greeting): string {
  return `${JSON.stringify(message)}\n`;
}
