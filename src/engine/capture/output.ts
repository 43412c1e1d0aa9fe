import type { Socket } from 'node:net';
import { sendAtOnce } from '../../shared/linux/libc.js';
import { BlockBuffer } from '../../shared/pcapng/block-buffer.js';
import type { CaptureLimiter, Delivered } from './limits.js';

/** Room for the largest block: a packet of MAX_SNAPSHOT_LENGTH, or a section header block with its comments. */
const BUFFER_BYTES = 320 * 1024;
/** What a unix socket accepts at once with the kernel's default limits; a longer write would be split and wait. */
const USUAL_BYTES = 192 * 1024;
/** Buffers that are kept for reuse. A capture holds a buffer only while it has blocks to write. */
const MAX_SPARES = 4;

const spares: BlockBuffer[] = [];

/**
 * The output of one capture: collects blocks in a buffer, writes them to a socket and counts what was delivered. While
 * the peer does not read, at most one buffer waits here, and packets must be left in their rings.
 */
export class CaptureOutput {
  private readonly totals: Delivered = { packets: 0, packetBytes: 0, streamBytes: 0 };
  private current?: BlockBuffer;
  private readonly waiting: BlockBuffer[] = [];

  /** @param onRoom called when the socket has accepted everything after `blocked` was true */
  constructor(
    private readonly socket: Socket,
    private readonly limiter: CaptureLimiter,
    private readonly onRoom: () => void,
  ) {}

  get delivered(): Readonly<Delivered> {
    return this.totals;
  }

  /** The buffer to write blocks to. */
  get buffer(): BlockBuffer {
    return (this.current ??= spares.pop() ?? new BlockBuffer(BUFFER_BYTES, USUAL_BYTES));
  }

  /** Whether the socket has not accepted yet what was written to it. */
  get blocked(): boolean {
    return this.waiting.length > 0;
  }

  append(block: Buffer): void {
    if (!this.buffer.hasRoomFor(block.length)) this.flush();
    this.buffer.append(block);
  }

  /** Writes the collected blocks to the socket. */
  flush(): void {
    const buffer = this.current;
    if (!buffer) return;
    this.current = undefined;
    this.limiter.apply(buffer, this.totals);
    if (buffer.length === 0) {
      reuse(buffer);
      return;
    }
    this.totals.packets += buffer.packets;
    this.totals.packetBytes += buffer.packetBytes;
    this.totals.streamBytes += buffer.length;
    const sent = this.sendAtOnce(buffer);
    if (sent === buffer.length) {
      reuse(buffer);
      return;
    }
    // The socket uses the memory until `onWritten`.
    this.waiting.push(buffer);
    this.socket.write(buffer.filled().subarray(sent), this.onWritten);
  }

  /** Writes the rest and ends the stream. */
  end(onFinished: () => void): void {
    this.flush();
    this.socket.end(onFinished);
  }

  /**
   * Bypasses Node's streams, which would cost more than everything else at each wake-up (engine at 20,000 packets/s:
   * 0.33 instead of 0.47 ms of CPU per wake-up). They get what the kernel has no room for, and wait for room.
   */
  private sendAtOnce(buffer: BlockBuffer): number {
    const fd = descriptorOf(this.socket);
    return fd === undefined || this.socket.writableLength > 0
      ? 0
      : sendAtOnce(fd, buffer.bytes, buffer.length);
  }

  private readonly onWritten = (): void => {
    if (this.waiting.length === 0 || this.socket.writableLength > 0) return;
    for (const buffer of this.waiting.splice(0)) reuse(buffer);
    this.onRoom();
  };
}

function reuse(buffer: BlockBuffer): void {
  buffer.clear();
  if (spares.length < MAX_SPARES) spares.push(buffer);
}

/**
 * The descriptor of an open socket. Node does not document the handle; without it, everything is written through the stream.
 * It must be read each time, because the number may refer to something else once the socket is closed.
 */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}
