import { BlockBuffer } from '../../shared/pcapng/block-buffer.js';
import type { Framing } from '../../shared/protocol/protocol.js';
import { noHeader, websocketHeader } from './framing.js';
import type { CaptureLimiter, Delivered } from '../../shared/pcapng/capture-limiter.js';
import type { OutputSocket } from './output-socket.js';
import { SocketWriter, type SocketWriterEvents } from './socket-writer.js';

/** Room for the largest block: a packet of MAX_SNAPSHOT_LENGTH, or a section header block with its comments. */
const BUFFER_BYTES = 320 * 1024;
/** What a unix socket accepts at once with the kernel's default limits; a longer write would be split and wait. */
const USUAL_BYTES = 192 * 1024;
/** Buffers that are kept for reuse. A capture holds a buffer only while it has blocks to write. */
const MAX_SPARES = 4;

const HEADERS: Readonly<Record<Framing, (payloadBytes: number) => Buffer>> = {
  websocket: websocketHeader,
  plain: noHeader,
};

const spares: BlockBuffer[] = [];

/**
 * The output of one capture and the only writer of its socket: collects blocks in a buffer, writes them to the socket,
 * each buffer as one message, and counts what was delivered. While the socket is blocked, one buffer waits here: nothing
 * may be appended, and packets must be left in their rings.
 */
export class CaptureOutput {
  private readonly totals: Delivered = { packets: 0, packetBytes: 0, streamBytes: 0 };
  private readonly writer: SocketWriter;
  private readonly header: (payloadBytes: number) => Buffer;
  private readonly usualBytes: number;
  /** Nothing may be written yet. */
  private held: boolean;
  private current?: BlockBuffer;
  private closing = false;
  private onFinished?: () => void;

  /** @param events `onDrained` reports that there is room again; it is not called any more after `end` */
  constructor(
    socket: OutputSocket,
    private readonly limiter: CaptureLimiter,
    private readonly events: SocketWriterEvents,
  ) {
    this.usualBytes = Math.min(USUAL_BYTES, socket.maxMessageBytes);
    this.header = HEADERS[socket.framing];
    this.held = socket.direct && socket.framing === 'plain';
    this.writer = new SocketWriter(socket, {
      ...events,
      onDrained: () => (this.onFinished ? this.finish() : events.onDrained()),
    });
  }

  get delivered(): Readonly<Delivered> {
    return this.totals;
  }

  /** Bytes that the socket has accepted, with all headers and control frames. */
  get sentBytes(): number {
    return this.writer.sentBytes;
  }

  /** The buffer to write blocks to. */
  get buffer(): BlockBuffer {
    if (this.current) return this.current;
    this.current = spares.pop() ?? new BlockBuffer(BUFFER_BYTES);
    this.current.usualBytes = this.usualBytes;
    return this.current;
  }

  /** Whether the socket has not accepted yet what was written to it, or nothing may be written yet. */
  get blocked(): boolean {
    return this.held || this.writer.blocked;
  }

  /** The socket of a client whose stream is not framed is ready for the stream; further calls have no effect. */
  release(): void {
    if (!this.held) return;
    this.held = false;
    if (!this.onFinished) return this.events.onDrained();
    this.flush();
    if (!this.writer.blocked) this.finish(); // else `onDrained` follows
  }

  /** How long it has been blocked, in ms; 0: it is not. */
  get blockedMs(): number {
    return this.writer.blockedMs;
  }

  /** How long it has not been blocked, in ms; 0: it is. */
  get unblockedMs(): number {
    return this.writer.unblockedMs;
  }

  append(block: Buffer): void {
    if (!this.buffer.hasRoomFor(block.length)) this.flush();
    this.buffer.append(block);
  }

  /** Writes the collected blocks to the socket. */
  flush(): void {
    const buffer = this.current;
    if (!buffer || this.held) return;
    this.current = undefined;
    this.limiter.apply(buffer, this.totals);
    if (buffer.length === 0 || this.closing) return reuse(buffer);
    this.totals.packets += buffer.packets;
    this.totals.packetBytes += buffer.packetBytes;
    this.totals.streamBytes += buffer.length;
    this.writer.write(buffer.filledAfter(this.header(buffer.length)), () => reuse(buffer));
  }

  /**
   * Writes foreign bytes, for example control frames, between two messages of the stream.
   *
   * @param last nothing may follow: a close frame, after which RFC 6455, 5.5.1, forbids data
   */
  insert(bytes: Uint8Array, last: boolean, onSent: () => void): void {
    if (last) this.closing = true;
    this.writer.write(bytes, onSent);
  }

  /** Writes the rest, and closes the descriptor when the socket has accepted it. The first call counts. */
  end(onFinished: () => void): void {
    this.flush();
    this.onFinished ??= onFinished;
    if ((!this.writer.blocked && !this.held) || this.writer.broken) this.finish();
  }

  /** Discards what waits, and closes the descriptor. */
  close(): void {
    this.onFinished = undefined;
    this.writer.close();
  }

  private finish(): void {
    const { onFinished } = this;
    this.close();
    onFinished?.();
  }
}

function reuse(buffer: BlockBuffer): void {
  buffer.clear();
  if (spares.length < MAX_SPARES) spares.push(buffer);
}
