import type { PacketTimestamp } from './packet-timestamp.js';
import { ENHANCED_PACKET_BLOCK } from '../../shared/pcapng/format.js';

/** Fixed part of an enhanced packet block before the packet itself, in bytes. */
export const PACKET_OFFSET = 28;
/** That and the length that ends it. */
const FIXED_BYTES = 32;

/** Length of the enhanced packet block for so many bytes of a packet. */
export function packetBlockBytes(captured: number): number {
  return FIXED_BYTES + ((captured + 3) & ~3);
}

/** An output buffer together with views of its memory as bytes and as words. */
export class BlockBuffer {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
  /** How much of it is filled, in bytes; always a multiple of four. */
  length = 0;

  /**
   * @param capacity room for the largest block, in bytes
   * @param usual where it counts as full, once there is something in it
   */
  constructor(
    readonly capacity: number,
    private readonly usual = capacity,
  ) {
    this.bytes = Buffer.from(new ArrayBuffer(capacity));
    this.words = new Uint32Array(this.bytes.buffer);
  }

  hasRoomFor(bytes: number): boolean {
    return this.hasRoomAt(this.length, bytes);
  }

  /** The same, for who has filled it up to there and not said so yet. */
  hasRoomAt(length: number, bytes: number): boolean {
    return length + bytes <= (length === 0 ? this.capacity : this.usual);
  }

  append(block: Buffer): void {
    block.copy(this.bytes, this.length);
    this.length += block.length;
  }

  /**
   * Makes an enhanced packet block of a packet that has been put `PACKET_OFFSET` behind `at`; what is behind the packet
   * there does not matter.
   *
   * @param at where the block begins, in bytes
   * @returns length of the block in bytes; whether it counts is for the caller to say, by `length`
   */
  framePacket(
    at: number,
    interfaceId: number,
    timestamp: PacketTimestamp,
    captured: number,
    original: number,
  ): number {
    const { words } = this;
    const blockBytes = packetBlockBytes(captured);
    const word = at >>> 2;
    const last = (at + blockBytes - 4) >>> 2;
    const odd = captured & 3;
    if (odd !== 0) words[last - 1] = (words[last - 1] ?? 0) & ((1 << (8 * odd)) - 1); // padded with zeros
    words[word] = ENHANCED_PACKET_BLOCK;
    words[word + 1] = blockBytes;
    words[word + 2] = interfaceId;
    words[word + 3] = timestamp.high;
    words[word + 4] = timestamp.low;
    words[word + 5] = captured;
    words[word + 6] = original;
    words[last] = blockBytes;
    return blockBytes;
  }

  /** The filled part; shares the memory. */
  filled(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}
