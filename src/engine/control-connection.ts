import type { Socket } from 'node:net';
import { CaptureError } from '../shared/protocol/capture-error.js';
import {
  isCaptureId,
  validateCaptureSpec,
  validateSetMember,
  type CaptureSpec,
  type SetMember,
  type SetSpec,
} from '../shared/protocol/capture-spec.js';
import { LineReader, parseMessage, ProtocolError } from '../shared/protocol/lines.js';
import {
  FRAMINGS,
  PROTOCOL_VERSION,
  type ClientSocket,
  type DirectProgress,
  type EngineEvent,
  type EngineProblem,
  type EngineReport,
  type LeaveCode,
} from '../shared/protocol/protocol.js';
import type { PeerProcess } from './peer-process.js';
import { logDefect } from './log.js';
import { asCaptureError, RING_MEMORY_USED_UP } from './capture/as-capture-error.js';
import type { EngineTotals } from './capture/totals.js';
import type { Capture, CaptureObserver } from './capture/capture.js';
import type { OutputSocket } from './capture/output-socket.js';
import type { RingAllotment, RingBudget } from './capture/ring-budget.js';

/**
 * Opens what the spec describes and begins to write the capture to the socket, which it closes in the end. The signal is
 * aborted when the capture is not wanted any more.
 */
export type OpenCapture = (
  spec: CaptureSpec | SetSpec,
  socket: OutputSocket,
  rings: RingAllotment,
  observer: CaptureObserver,
  signal: AbortSignal,
) => Promise<Capture>;

/** What a control connection needs from the engine. */
export interface ControlContext {
  /** Name of the connection, for the greetings of its captures. */
  readonly name: string;
  /** The server process. */
  readonly peer: Pick<PeerProcess, 'outputFor' | 'close'>;
  readonly openCapture: OpenCapture;
  readonly budget: RingBudget;
  readonly totals: EngineTotals;
  readonly problems: readonly EngineProblem[];
}

/** Maximum bytes that wait for a server that does not read. A slow one leaves far less: an event has a few hundred bytes. */
const MAX_UNREAD_BYTES = 16 * 1024 * 1024;

/** Maximum length of a text for the stream, in characters. */
const MAX_TEXT_LENGTH = 1024;

/** Maximum length of the id of a report request. */
const MAX_REPORT_ID_LENGTH = 64;

/** A request as it arrives, before it is checked. */
interface UncheckedRequest {
  readonly type?: unknown;
  readonly id?: unknown;
  readonly captureId?: unknown;
  readonly bytes?: unknown;
  readonly last?: unknown;
  readonly members?: unknown;
  readonly memberId?: unknown;
  readonly reason?: unknown;
  readonly text?: unknown;
}

/** A capture of this connection. */
interface Entry {
  /** The capture connection. */
  readonly connection: Socket;
  /** What the stream is written to. */
  readonly socket: OutputSocket;
  /** Aborted when the capture is not wanted any more. */
  readonly needed: AbortController;
  /** Absent while it is being opened. */
  capture?: Capture;
  /** Bytes of the server wait until the socket accepts them. */
  writing?: boolean;
  /** What the server knows of the progress. */
  reported: { sentBytes: number; blocked: boolean };
}

/** Interval of reports about captures that have made progress. The server judges from it whether a client is there. */
const PROGRESS_INTERVAL_MS = 500;
/** A capture counts as blocked until its socket has had room for this time: a busy one would report changes all the time. */
const UNBLOCKED_AFTER_MS = 100;

/**
 * The control connection of one server. Its captures end with it, for instance when the server has crashed.
 */
export class ControlConnection {
  private readonly entries = new Map<string, Entry>();
  private readonly lines = new LineReader();
  private progressTimer?: NodeJS.Timeout;
  private unblockedTimer?: NodeJS.Timeout;

  constructor(
    private readonly socket: Socket,
    private readonly context: ControlContext,
  ) {
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('close', () => {
      this.abortAll();
      context.peer.close();
    });
    const { name, problems } = context;
    this.send({ type: 'hello', version: PROTOCOL_VERSION, connection: name, problems });
  }

  /** How many captures the connection has, including those that are being opened. */
  get captures(): number {
    return this.entries.size;
  }

  reportIdle(): void {
    this.send({ type: 'idle' });
  }

  /**
   * Starts a capture. Its outcome is sent to the server as an event, and the capture ends when `connection` closes.
   *
   * @param spec as it arrived, not validated yet
   * @param client the socket for the stream, as it arrived; absent: the stream is written to `connection`
   * @throws ProtocolError when the spec has no usable id, so that no event could refer to it
   */
  start(connection: Socket, spec: unknown, client: unknown): void {
    const captureId = (spec as { captureId?: unknown } | null | undefined)?.captureId;
    if (!isCaptureId(captureId)) throw new ProtocolError('a capture without an id');
    if (this.entries.has(captureId)) throw new ProtocolError('a second capture with the same id');
    const offered = client === undefined ? undefined : validateClientSocket(client);
    const socket = this.context.peer.outputFor(connection, offered);
    const entry: Entry = {
      connection,
      socket,
      needed: new AbortController(),
      reported: { sentBytes: 0, blocked: false },
    };
    this.entries.set(captureId, entry);
    connection.once('close', () => this.abort(captureId, entry));
    this.send({ type: 'accepted', captureId });
    void this.open(captureId, entry, spec);
  }

  private async open(captureId: string, entry: Entry, spec: unknown): Promise<void> {
    const { budget, totals, openCapture } = this.context;
    const { connection, socket, needed } = entry;
    const wanted = (): boolean => this.entries.get(captureId) === entry && !needed.signal.aborted;
    const rings = await budget.whenAvailable(() => budget.admit(), wanted);
    try {
      needed.signal.throwIfAborted();
      if (!rings) throw new CaptureError('too-many-captures', RING_MEMORY_USED_UP);
      const observer: CaptureObserver = {
        onEnd: (ending) => {
          if (this.remove(captureId, entry))
            this.send({ type: 'ended', captureId, direct: socket.direct, ...ending });
          connection.end();
        },
        onBlocked: () => this.reportBlocked(captureId, entry),
        onMemberLeft: (...left) => this.reportLeft(captureId, ...left),
      };
      const capture = await openCapture(validateCaptureSpec(spec), socket, rings, observer, needed.signal);
      if (!wanted()) {
        capture.abort(); // not wanted any more while it was being opened, or the target has ended
        needed.signal.throwIfAborted();
        return;
      }
      entry.capture = capture;
      totals.begin(capture);
      const interfaces = capture.interfaceCount;
      this.send({ type: 'started', captureId, interfaces, direct: socket.direct });
      if (socket.direct)
        this.progressTimer ??= setInterval(() => this.reportProgress(), PROGRESS_INTERVAL_MS);
      capture.deliver();
    } catch (error) {
      rings?.release();
      socket.close();
      if (this.remove(captureId, entry)) {
        const refusal = asCaptureError(error);
        const { code, message } = refusal;
        if (code === 'internal' && !needed.signal.aborted)
          logDefect('a capture cannot begin', refusal.cause ?? refusal, { capture: captureId });
        this.send({ type: 'refused', captureId, code, message });
      }
      connection.destroy();
    }
  }

  private read(chunk: Buffer): void {
    try {
      for (const line of this.lines.push(chunk)) this.handle(parseMessage(line));
    } catch (error) {
      if (!(error instanceof ProtocolError)) logDefect('a request of the server failed', error);
      this.socket.destroy();
    }
  }

  private handle(request: UncheckedRequest): void {
    switch (request.type) {
      case 'stop': {
        const entry = this.entryOf(request);
        if (entry?.capture) entry.capture.end('stopped', 'stopped');
        else entry?.needed.abort(new CaptureError('internal', 'stopped'));
        return;
      }
      case 'deliver':
        this.entryOf(request)?.capture?.release();
        return;
      case 'attach': {
        const { capture } = this.entryOf(request) ?? {};
        const members = asMembers(request.members);
        // All are known before the first is opened, since they share the ring memory.
        if (capture) for (const each of members) void this.attach(String(request.captureId), capture, each);
        return;
      }
      case 'detach': {
        const { memberId, reason } = request;
        if (!isNatural(memberId) || typeof reason !== 'string') {
          throw new ProtocolError('a detach request without a member id or a reason');
        }
        this.entryOf(request)?.capture?.detach(memberId, reason.slice(0, MAX_TEXT_LENGTH));
        return;
      }
      case 'comment': {
        const { text } = request;
        if (typeof text !== 'string') throw new ProtocolError('a comment request without a text');
        this.entryOf(request)?.capture?.comment(text.slice(0, MAX_TEXT_LENGTH));
        return;
      }
      case 'write': {
        const { bytes, last } = request;
        if (typeof bytes !== 'string' || typeof last !== 'boolean') {
          throw new ProtocolError('a write request without bytes or last');
        }
        const captureId = String(request.captureId);
        const entry = this.entryOf(request);
        if (!entry?.capture) return;
        // The server waits for each answer, so what waits for a client that does not read stays bounded.
        if (entry.writing) throw new ProtocolError('a write request before the answer to the last one');
        entry.writing = true;
        entry.capture.write(Buffer.from(bytes, 'base64'), last, () => {
          entry.writing = false;
          this.send({ type: 'written', captureId });
        });
        return;
      }
      case 'report': {
        const { id } = request;
        if (typeof id !== 'string' || id.length > MAX_REPORT_ID_LENGTH) {
          throw new ProtocolError('a report request without an id');
        }
        this.send({ type: 'report', id, report: this.report });
        return;
      }
      default:
        throw new ProtocolError('a request of unknown type');
    }
  }

  /** @returns undefined when there is no such capture any more */
  private entryOf({ captureId, type }: UncheckedRequest): Entry | undefined {
    if (!isCaptureId(captureId)) throw new ProtocolError(`a ${String(type)} request without a capture id`);
    return this.entries.get(captureId);
  }

  private async attach(captureId: string, capture: Capture, member: SetMember): Promise<void> {
    const memberId = member.id;
    try {
      if (await capture.attach(member)) this.send({ type: 'attached', captureId, memberId });
    } catch (error) {
      const { code, message, cause } = asCaptureError(error);
      if (code === 'internal') logDefect('a member cannot join', cause ?? error, { capture: captureId });
      this.reportLeft(captureId, memberId, code, message);
    }
  }

  private reportLeft(captureId: string, memberId: number, code: LeaveCode, message: string): void {
    this.send({ type: 'left', captureId, memberId, code, message });
  }

  private abortAll(): void {
    for (const [captureId, entry] of this.entries) {
      this.abort(captureId, entry);
      entry.connection.destroy();
    }
    clearInterval(this.progressTimer);
    clearTimeout(this.unblockedTimer);
  }

  private abort(captureId: string, entry: Entry): void {
    if (!this.remove(captureId, entry)) return;
    entry.needed.abort();
    entry.capture?.abort();
  }

  /** @returns whether the entry was still there */
  private remove(captureId: string, entry: Entry): boolean {
    if (this.entries.get(captureId) !== entry) return false;
    if (entry.capture) this.context.totals.end(entry.capture);
    return this.entries.delete(captureId);
  }

  /** The server must know at once: if this process dies now, the client has got an incomplete message. */
  private reportBlocked(captureId: string, entry: Entry): void {
    if (!entry.socket.direct || !entry.capture || entry.reported.blocked) return;
    this.send({ type: 'progress', captures: [progressOf(captureId, entry, entry.capture, true)] });
    this.unblockedTimer ??= setTimeout(() => this.reportUnblocked(), UNBLOCKED_AFTER_MS);
  }

  private reportUnblocked(): void {
    this.unblockedTimer = undefined;
    const captures: DirectProgress[] = [];
    let blocked = false;
    for (const [captureId, entry] of this.entries) {
      if (!entry.reported.blocked || !entry.capture) continue;
      if (entry.capture.unblockedMs < UNBLOCKED_AFTER_MS) blocked = true;
      else captures.push(progressOf(captureId, entry, entry.capture, false));
    }
    if (captures.length > 0) this.send({ type: 'progress', captures });
    if (blocked) this.unblockedTimer = setTimeout(() => this.reportUnblocked(), UNBLOCKED_AFTER_MS);
  }

  private reportProgress(): void {
    const captures: DirectProgress[] = [];
    let direct = 0;
    for (const [captureId, entry] of this.entries) {
      if (!entry.socket.direct) continue;
      direct++;
      const { capture, reported } = entry;
      if (capture && capture.sentBytes !== reported.sentBytes) {
        captures.push(progressOf(captureId, entry, capture, reported.blocked));
      }
    }
    if (captures.length > 0) this.send({ type: 'progress', captures });
    if (direct > 0) return;
    clearInterval(this.progressTimer);
    this.progressTimer = undefined;
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

/** @throws ProtocolError when it is none */
function validateClientSocket(client: unknown): ClientSocket {
  const { descriptor, inode, framing, maxMessageBytes } = (client ?? {}) as Record<
    keyof ClientSocket,
    unknown
  >;
  const known = FRAMINGS.find((each) => each === framing);
  if (!isNatural(descriptor) || !isNatural(inode) || !isNatural(maxMessageBytes) || !known) {
    throw new ProtocolError(
      'a client without a descriptor, an inode, a framing or a limit of the message size',
    );
  }
  return { descriptor, inode, framing: known, maxMessageBytes };
}

/** @throws ProtocolError when they are none */
function asMembers(members: unknown): SetMember[] {
  if (!Array.isArray(members)) throw new ProtocolError('an attach request without members');
  try {
    return members.map(validateSetMember);
  } catch (error) {
    throw new ProtocolError(`an attach request of which ${(error as Error).message}`);
  }
}

/** Notes what is reported. */
function progressOf(
  captureId: string,
  { reported }: Entry,
  { sentBytes, streamBytes, describedInterfaces, totals }: Capture,
  blocked: boolean,
): DirectProgress {
  Object.assign(reported, { sentBytes, blocked });
  const { packets, dropped } = totals;
  return { captureId, sentBytes, streamBytes, blocked, interfaces: describedInterfaces, packets, dropped };
}

function isNatural(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}
