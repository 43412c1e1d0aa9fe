import type { Socket } from 'node:net';
import type { CaptureLedger } from './capture/capture-totals.js';
import type { Capture, CaptureEnding } from './capture/capture.js';
import { CaptureError } from '../shared/protocol/capture-error.js';
import { asCaptureError, RING_MEMORY_USED_UP } from './capture/as-capture-error.js';
import type { RingAllotment, RingBudget } from './capture/ring-budget.js';
import { LineReader } from '../shared/protocol/lines.js';
import { isCaptureId, validateCaptureSpec } from '../shared/protocol/capture-spec.js';
import { PROTOCOL_VERSION, type EngineEvent, type EngineProblem, type EngineReport } from '../shared/protocol/protocol.js';
import type { CaptureSpec } from '../shared/protocol/capture-spec.js';

/** Opens what an order asks for and begins to capture into the data connection. */
export type OpenCapture = (
  order: CaptureSpec,
  data: Socket,
  rings: RingAllotment,
  onEnd: (ending: CaptureEnding) => void,
) => Promise<Capture>;

/** Waits for the data connection of a capture; rejects when it does not come. */
export type DataConnections = (id: string) => Promise<Socket>;

/** Many times of what a server leaves unread that is slow, or stopped for a while: an event has 64 KiB at most. */
const MOST_UNREAD_BYTES = 16 * 1024 * 1024;

/** Anything that a server sends must fit this; unknown attributes do not matter. */
interface AnyRequest {
  readonly type?: unknown;
  readonly id?: unknown;
  readonly order?: unknown;
}

/**
 * One server's control connection: starts and stops captures on its behalf. When it is gone, for instance since the server
 * has died, so are its captures.
 */
export class ControlConnection {
  /** Running ones, and those being opened (undefined). */
  private readonly captures = new Map<string, Capture | undefined>();
  private readonly lines = new LineReader();

  constructor(
    private readonly socket: Socket,
    private readonly openCapture: OpenCapture,
    private readonly budget: RingBudget,
    private readonly ledger: CaptureLedger,
    private readonly dataConnections: DataConnections,
    problems: readonly EngineProblem[],
  ) {
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('close', () => this.abortAll());
    this.send({ type: 'hello', version: PROTOCOL_VERSION, problems });
  }

  private read(chunk: Buffer): void {
    try {
      for (const line of this.lines.push(chunk)) this.handle(JSON.parse(line) as AnyRequest | null);
    } catch {
      // Not our server: there is nothing to be answered to somebody who does not speak the protocol.
      this.socket.destroy();
    }
  }

  private handle(request: AnyRequest | null): void {
    const id = request?.id;
    if (!isCaptureId(id)) throw new TypeError('a request without an id');
    switch (request?.type) {
      case 'start':
        void this.start(id, request.order);
        return;
      case 'stop':
        this.captures.get(id)?.end('stopped', 'stopped');
        return;
      case 'report':
        this.send({ type: 'report', id, report: this.report });
        return;
      default:
        throw new TypeError('a request of unknown type');
    }
  }

  private async start(id: string, order: unknown): Promise<void> {
    if (this.captures.has(id)) return;
    this.captures.set(id, undefined);
    let data: Socket | undefined;
    const rings = this.budget.admit();
    try {
      if (!rings) throw new CaptureError('too-many-captures', RING_MEMORY_USED_UP);
      const valid = validateCaptureSpec(order);
      data = await this.dataConnections(id);
      const capture = await this.openCapture(valid, data, rings, (ending) => {
        this.forget(id);
        this.send({ type: 'ended', id, ...ending });
      });
      this.began(id, capture, data);
    } catch (error) {
      this.captures.delete(id);
      rings?.release();
      const { code, message } = asCaptureError(error);
      this.send({ type: 'refused', id, code, message });
      data?.destroy();
    }
  }

  private began(id: string, capture: Capture, data: Socket): void {
    // The server has gone, or lost interest, while this was being opened: nobody else knows of the capture by now.
    if (data.destroyed || this.socket.destroyed) {
      this.captures.delete(id);
      capture.abort();
      return;
    }
    data.once('close', () => {
      if (this.forget(id)) capture.abort();
    });
    this.captures.set(id, capture);
    this.ledger.begin(capture);
    this.send({ type: 'started', id, interfaces: capture.interfaceNames });
  }

  private abortAll(): void {
    for (const [id, capture] of this.captures) {
      this.forget(id);
      capture?.abort();
    }
  }

  /** @returns whether it was known */
  private forget(id: string): boolean {
    const capture = this.captures.get(id);
    if (capture) this.ledger.end(capture);
    return this.captures.delete(id);
  }

  private get report(): EngineReport {
    const { captures, totals } = this.ledger;
    return { captures, totals, ...this.budget.memory };
  }

  /** A server that asks and does not read must not fill our memory: it is hung up on. */
  private send(event: EngineEvent): void {
    if (!this.socket.writable) return;
    this.socket.write(`${JSON.stringify(event)}\n`);
    if (this.socket.writableLength > MOST_UNREAD_BYTES) this.socket.destroy();
  }
}
