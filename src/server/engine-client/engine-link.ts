import { Logger } from '@nestjs/common';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { LineReader } from '../../shared/protocol/lines.js';
import { MAX_LINE_BYTES, PROTOCOL_VERSION, type EngineEvent, type EngineProblem, type EngineReport, type EngineRequest, type Greeting } from '../../shared/protocol/protocol.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { Capture } from '../capture/capture-provider.js';
import type { CaptureSpec } from '../../shared/protocol/capture-spec.js';
import { EngineCapture } from './engine-capture.js';

const RECONNECT_MS = 100;

/** More than a unix socket holds, so that one read takes all there is. */
const DEFAULT_IN_FLIGHT_BYTES = 256 * 1024;

/** An engine that moves packets is a few milliseconds late; whoever asks for metrics does not wait for long. */
const REPORT_TIMEOUT_MS = 500;

const toldProblems = new Set<string>();

/** The control connection to one engine; made again whenever it is lost. */
export class EngineLink {
  private readonly logger = new Logger(EngineLink.name);
  private readonly running = new Map<string, EngineCapture>();
  private readonly waiters = new Set<() => void>();
  private socket?: Socket;
  private reconnect?: NodeJS.Timeout;
  private readonly reports = new Map<string, (report?: EngineReport) => void>();
  private closed = false;
  private hellos = 0;
  connected = false;
  /** What the engine has told last; undefined: it has never told anything. */
  problems?: readonly EngineProblem[];

  /**
   * @param path of the engine's unix socket
   * @param mostInFlightBytes that are read of a capture before its reader is done with them
   */
  constructor(
    private readonly path: string,
    private readonly mostInFlightBytes = DEFAULT_IN_FLIGHT_BYTES,
  ) {}

  /** How many captures the engine runs or opens for us. */
  get captures(): number {
    return this.running.size;
  }

  /** How often an engine came back after it was lost. */
  get restarts(): number {
    return Math.max(0, this.hellos - 1);
  }

  connect(): void {
    const lines = new LineReader();
    const socket = connect(this.path);
    this.socket = socket;
    socket.on('connect', () => this.write({ type: 'control', version: PROTOCOL_VERSION }));
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const line of lines.push(chunk)) this.handle(JSON.parse(line) as EngineEvent);
      } catch {
        socket.destroy(); // not our engine, or one that has lost its senses
      }
    });
    socket.on('error', () => undefined); // 'close' follows
    socket.on('close', () => this.onLost());
  }

  /** Ends what runs and does not come back. */
  close(): void {
    this.closed = true;
    clearTimeout(this.reconnect);
    this.socket?.destroy();
  }

  /** @throws the signal's reason when it was aborted before */
  async whenConnected(signal: AbortSignal): Promise<this> {
    if (!this.connected) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.waiters.add(resolve);
      try {
        await Promise.race([promise, once(signal, 'abort')]);
      } finally {
        this.waiters.delete(resolve);
      }
      signal.throwIfAborted();
    }
    return this;
  }

  /** @throws CaptureError */
  async start(request: CaptureSpec, signal: AbortSignal): Promise<Capture> {
    const id = randomUUID();
    const start = line({ type: 'start', id, order: request });
    // The engine would take it for garbage and hang up, on all captures.
    if (Buffer.byteLength(start) > MAX_LINE_BYTES) {
      throw new CaptureError(
        'invalid-request',
        `nif: the names of ${request.interfaces.length} interfaces are too long`,
      );
    }
    const data = {
      path: this.path,
      greeting: line({ type: 'data', id }),
      mostBytes: this.mostInFlightBytes,
    };
    const capture = new EngineCapture(data, {
      stop: () => this.write({ type: 'stop', id }),
      over: () => this.running.delete(id),
    });
    this.running.set(id, capture);
    this.socket?.write(start);
    return capture.whenStarted(signal);
  }

  /** What the engine has done so far; undefined when it is not there, or does not answer soon. */
  async report(): Promise<EngineReport | undefined> {
    if (!this.connected) return undefined;
    const id = randomUUID();
    const { promise, resolve } = Promise.withResolvers<EngineReport | undefined>();
    this.reports.set(id, resolve);
    const timer = setTimeout(() => resolve(undefined), REPORT_TIMEOUT_MS);
    this.write({ type: 'report', id });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.reports.delete(id);
    }
  }

  private handle(event: EngineEvent): void {
    switch (event.type) {
      case 'hello':
        this.problems = event.problems;
        for (const problem of event.problems) this.warnOnce(problem);
        this.connected = true;
        this.hellos++;
        for (const resolve of this.waiters) resolve();
        return;
      case 'started':
        this.running.get(event.id)?.started();
        return;
      case 'refused':
        this.running.get(event.id)?.refused(new CaptureError(event.code, event.message));
        return;
      case 'ended':
        this.running.get(event.id)?.ended(event);
        return;
      case 'report':
        this.reports.get(event.id)?.(event.report);
        return;
      default:
        event satisfies never;
    }
  }

  /** All engines have the same problems, and have them again when they are started again. */
  private warnOnce({ part, message }: EngineProblem): void {
    // The supervisor has told, with how to mend it.
    if (part === 'capabilities' || toldProblems.has(message)) return;
    toldProblems.add(message);
    this.logger.warn(message);
  }

  private onLost(): void {
    this.connected = false;
    for (const capture of this.running.values()) capture.lost();
    this.running.clear();
    for (const give of this.reports.values()) give();
    if (!this.closed) this.reconnect = setTimeout(() => this.connect(), RECONNECT_MS);
  }

  private write(message: EngineRequest | Greeting): void {
    this.socket?.write(line(message));
  }
}

function line(message: EngineRequest | Greeting): string {
  return `${JSON.stringify(message)}\n`;
}
