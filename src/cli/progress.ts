import type { WriteStream } from 'node:tty';
import { BlockReader, type BlockHead } from '../shared/pcapng/block-reader.js';
import {
  ENHANCED_PACKET_BLOCK,
  PACKET_CAPTURED_LENGTH_OFFSET,
  SIMPLE_PACKET_BLOCK,
  SIMPLE_PACKET_ORIGINAL_LENGTH_OFFSET,
} from '../shared/pcapng/format.js';

const REFRESH_INTERVAL_MS = 500;

/** Up to and including the captured length of an enhanced packet block. */
const HEAD_BYTES = PACKET_CAPTURED_LENGTH_OFFSET + 4;
/** Bytes of a simple packet block that are not packet data. */
const SIMPLE_PACKET_OVERHEAD_BYTES = 16;

/** Counts the packets of a pcapng stream that arrives in chunks. Stops counting when the stream is not valid. */
export class PacketCounter {
  packets = 0;
  /** Captured bytes of all packets, without the framing of the format. */
  bytes = 0;
  private readonly reader = new BlockReader((block) => this.count(block), { headBytes: HEAD_BYTES });

  get malformed(): boolean {
    return this.reader.malformed;
  }

  add(chunk: Uint8Array): void {
    this.reader.push(chunk);
  }

  private count(block: BlockHead): void {
    const { type, totalLength } = block;
    if (type === ENHANCED_PACKET_BLOCK) {
      this.bytes += block.uint32(PACKET_CAPTURED_LENGTH_OFFSET);
    } else if (type === SIMPLE_PACKET_BLOCK) {
      const originalLength = block.uint32(SIMPLE_PACKET_ORIGINAL_LENGTH_OFFSET);
      this.bytes += Math.min(originalLength, totalLength - SIMPLE_PACKET_OVERHEAD_BYTES);
    } else {
      return;
    }
    this.packets += 1;
  }
}

/**
 * Shows the number of packets and bytes in one line of a terminal. Without a terminal it prints them only once, at the
 * end, and only if they are the purpose of the command.
 */
export class Progress {
  private timer: NodeJS.Timeout | undefined;
  private started = false;

  /** @param isPurpose whether the packets are only counted, not written */
  constructor(
    private readonly counter: PacketCounter,
    private readonly screen: Pick<WriteStream, 'write' | 'isTTY'>,
    private readonly isPurpose: boolean,
  ) {}

  start(): void {
    this.started = true;
    if (!this.screen.isTTY) return;
    this.show();
    this.timer = setInterval(() => this.show(), REFRESH_INTERVAL_MS);
  }

  /** Shows the final numbers and ends the line. */
  stop(): void {
    if (!this.started) return;
    clearInterval(this.timer);
    if (this.screen.isTTY) this.screen.write(`\r${this.summary()} \n`);
    else if (this.isPurpose) this.screen.write(`${this.summary()}\n`);
  }

  private show(): void {
    this.screen.write(`\r${this.summary()} `);
  }

  private summary(): string {
    const { packets, bytes, malformed } = this.counter;
    const unit = packets === 1 ? 'packet' : 'packets';
    const suffix = malformed ? ' (then the stream is not valid pcapng)' : '';
    return `${packets} ${unit}, ${bytes} bytes${suffix}`;
  }
}
