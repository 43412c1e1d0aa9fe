import type { Socket } from 'node:net';
import { sendAtOnce } from '../../shared/linux/libc.js';
import { BlockBuffer } from './block-buffer.js';
import type { CaptureLimiter } from './capture-limiter.js';

/** Room for the largest block: a packet of the snapshot length, or a section header with its comments (see capture-spec.ts). */
const BUFFER_BYTES = 320 * 1024;
/** What a unix socket takes at once, with the kernel's usual limits: more would be cut, and the rest waited for. */
const USUAL_BYTES = 192 * 1024;
/** Buffers kept for later; captures that are quiet or flowing hold none. */
const MOST_SPARES = 4;

const spares: BlockBuffer[] = [];

/**
 * The way out of one capture: blocks are collected in a buffer and written to the data connection. While the other
 * side does not read, at most one buffer is waiting here and the capture must leave its packets where they are.
 */
export class CaptureOutput {
  private current?: BlockBuffer;
  private readonly waiting: BlockBuffer[] = [];

  /** @param onRoom called when everything has been taken after `blocked` was true */
  constructor(
    private readonly socket: Socket,
    private readonly limiter: CaptureLimiter,
    private readonly onRoom: () => void,
  ) {}

  /** The buffer to put blocks into. */
  get buffer(): BlockBuffer {
    return (this.current ??= spares.pop() ?? new BlockBuffer(BUFFER_BYTES, USUAL_BYTES));
  }

  /** Whether the other side has not taken yet what it was given. */
  get blocked(): boolean {
    return this.waiting.length > 0;
  }

  append(block: Buffer): void {
    if (!this.buffer.hasRoomFor(block.length)) this.flush();
    this.buffer.append(block);
  }

  /** Hands over what has been collected. */
  flush(): void {
    const buffer = this.current;
    if (!buffer) return;
    this.current = undefined;
    this.limiter.apply(buffer);
    if (buffer.length === 0) {
      keep(buffer);
      return;
    }
    const sent = this.sendAtOnce(buffer);
    if (sent === buffer.length) {
      keep(buffer);
      return;
    }
    // The memory is in use until this is done.
    this.waiting.push(buffer);
    this.socket.write(buffer.filled().subarray(sent), this.onWritten);
  }

  /** Hands over the rest and says that nothing follows. */
  end(onFinished: () => void): void {
    this.flush();
    this.socket.end(onFinished);
  }

  /**
   * Past Node's streams, which would cost more than all else at every wake-up (engine at 20,000 packets/s: 0.33 instead of 0.47 ms of CPU per wake-up). They
   * get what the kernel has no room for, and wait for it.
   */
  private sendAtOnce(buffer: BlockBuffer): number {
    const fd = descriptorOf(this.socket);
    return fd === undefined || this.socket.writableLength > 0
      ? 0
      : sendAtOnce(fd, buffer.bytes, buffer.length);
  }

  private readonly onWritten = (): void => {
    if (this.waiting.length === 0 || this.socket.writableLength > 0) return;
    for (const buffer of this.waiting.splice(0)) keep(buffer);
    this.onRoom();
  };
}

function keep(buffer: BlockBuffer): void {
  buffer.length = 0;
  if (spares.length < MOST_SPARES) spares.push(buffer);
}

/**
 * Of an open socket. Node does not document the handle: should it be gone one day, all goes the ordinary way. It must be
 * asked for each time, since the number may stand for something else once the socket is closed.
 */
function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}
