import type { Socket } from 'node:net';
import { CaptureError } from '../shared/protocol/capture-error.js';
import { isCaptureId, validateCaptureSpec, type CaptureSpec } from '../shared/protocol/capture-spec.js';
import { LineReader } from '../shared/protocol/lines.js';
import {
  PROTOCOL_VERSION,
  type EngineEvent,
  type EngineProblem,
  type EngineReport,
} from '../shared/protocol/protocol.js';
import { asCaptureError, RING_MEMORY_USED_UP } from './capture/as-capture-error.js';
import type { EngineTotals } from './capture/totals.js';
import type { Capture, CaptureEnding } from './capture/capture.js';
import type { RingAllotment, RingBudget } from './capture/ring-budget.js';

/** Opens what the spec describes and begins to write the capture to the socket. */
export type OpenCapture = (
  spec: CaptureSpec,
  output: Socket,
  rings: RingAllotment,
  onEnd: (ending: CaptureEnding) => void,
) => Promise<Capture>;

/** What a control connection needs from the engine. */
export interface ControlContext {
  /** Name of the connection, for the greetings of its captures. */
  readonly name: string;
  readonly openCapture: OpenCapture;
  readonly budget: RingBudget;
  readonly totals: EngineTotals;
  readonly problems: readonly EngineProblem[];
}

/** Maximum bytes that wait for a server that does not read. A slow one leaves far less: an event has at most 64 KiB. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;

/** Maximum length of the id of a report request. */
const MAX_REPORT_ID_LENGTH = 64;

/** A request as it arrives, before it is checked. */
interface UncheckedRequest {
  readonly type?: unknown;
  readonly id?: unknown;
  readonly captureId?: unknown;
}

/** A capture of this connection. */
interface Entry {
  readonly output: Socket;
  /** Absent while it is being opened. */
  capture?: Capture;
  ended?: boolean;
}

/**
 * The control connection of one server. Its captures end with it, for instance when the server has crashed.
 */
export class ControlConnection {
  private readonly entries = new Map<string, Entry>();
  private readonly lines = new LineReader();

  constructor(
    private readonly socket: Socket,
    private readonly context: ControlContext,
  ) {
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('close', () => this.abortAll());
    const { name, problems } = context;
    this.send({ type: 'hello', version: PROTOCOL_VERSION, connection: name, problems });
  }

  /**
   * Starts a capture. Its outcome is sent to the server as an event, and the capture ends when `output` closes.
   *
   * @param spec as it arrived, not validated yet
   * @throws TypeError when the spec has no usable id, so that no event could refer to it
   */
  start(output: Socket, spec: unknown): void {
    const captureId = (spec as { captureId?: unknown } | null | undefined)?.captureId;
    if (!isCaptureId(captureId)) throw new TypeError('a capture without an id');
    if (this.entries.has(captureId)) throw new TypeError('a second capture with the same id');
    const entry: Entry = { output };
    this.entries.set(captureId, entry);
    output.once('close', () => this.abort(captureId, entry));
    this.send({ type: 'accepted', captureId });
    void this.open(captureId, entry, spec);
  }

  private async open(captureId: string, entry: Entry, spec: unknown): Promise<void> {
    const { budget, totals, openCapture } = this.context;
    const rings = budget.admit();
    try {
      if (!rings) throw new CaptureError('too-many-captures', RING_MEMORY_USED_UP);
      const capture = await openCapture(validateCaptureSpec(spec), entry.output, rings, (ending) => {
        entry.ended = true;
        if (this.remove(captureId, entry)) this.send({ type: 'ended', captureId, ...ending });
      });
      if (entry.ended) return; // the target ended while it was being opened
      if (this.entries.get(captureId) !== entry) {
        capture.abort(); // one of the two connections was closed while it was being opened
        return;
      }
      entry.capture = capture;
      totals.begin(capture);
      this.send({ type: 'started', captureId, interfaces: capture.interfaceNames });
    } catch (error) {
      rings?.release();
      if (this.remove(captureId, entry)) {
        const { code, message } = asCaptureError(error);
        this.send({ type: 'refused', captureId, code, message });
      }
      entry.output.destroy();
    }
  }

  private read(chunk: Buffer): void {
    try {
      for (const line of this.lines.push(chunk)) this.handle(JSON.parse(line) as UncheckedRequest | null);
    } catch {
      // A RangeError, SyntaxError or TypeError: the peer does not speak the protocol, so it gets no answer.
      this.socket.destroy();
    }
  }

  private handle(request: UncheckedRequest | null): void {
    switch (request?.type) {
      case 'stop':
        if (!isCaptureId(request.captureId)) throw new TypeError('a stop request without a capture id');
        this.entries.get(request.captureId)?.capture?.end('stopped', 'stopped');
        return;
      case 'report': {
        const { id } = request;
        if (typeof id !== 'string' || id.length > MAX_REPORT_ID_LENGTH) {
          throw new TypeError('a report request without an id');
        }
        this.send({ type: 'report', id, report: this.report });
        return;
      }
      default:
        throw new TypeError('a request of unknown type');
    }
  }

  private abortAll(): void {
    for (const [captureId, entry] of this.entries) {
      this.abort(captureId, entry);
      entry.output.destroy();
    }
  }

  private abort(captureId: string, entry: Entry): void {
    if (this.remove(captureId, entry)) entry.capture?.abort();
  }

  /** @returns whether the entry was still there */
  private remove(captureId: string, entry: Entry): boolean {
    if (this.entries.get(captureId) !== entry) return false;
    if (entry.capture) this.context.totals.end(entry.capture);
    return this.entries.delete(captureId);
  }

  private get report(): EngineReport {
    const { totals, budget } = this.context;
    return { captures: totals.captures, totals: totals.sum, ...budget.memory };
  }

  /** Closes the connection to a server that sends requests and does not read the answers, so memory stays bounded. */
  private send(event: EngineEvent): void {
    if (!this.socket.writable) return;
    this.socket.write(`${JSON.stringify(event)}\n`);
    if (this.socket.writableLength > MAX_UNREAD_BYTES) this.socket.destroy();
  }
}
