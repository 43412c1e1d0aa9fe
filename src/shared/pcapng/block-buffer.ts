import {
  ENHANCED_PACKET_BLOCK,
  PACKET_CAPTURED_LENGTH_OFFSET,
  PACKET_DATA_OFFSET,
  PACKET_FLAGS_BYTES,
  PACKET_INTERFACE_OFFSET,
  PACKET_ORIGINAL_LENGTH_OFFSET,
  PACKET_TIMESTAMP_OFFSET,
  packetBlockLength,
  paddedLength,
  TOTAL_LENGTH_OFFSET,
} from './format.js';

/** Indexes of 32-bit words, from the beginning of an enhanced packet block. */
const TOTAL_LENGTH = TOTAL_LENGTH_OFFSET >>> 2;
const INTERFACE = PACKET_INTERFACE_OFFSET >>> 2;
const TIMESTAMP = PACKET_TIMESTAMP_OFFSET >>> 2;
const CAPTURED_LENGTH = PACKET_CAPTURED_LENGTH_OFFSET >>> 2;
const ORIGINAL_LENGTH = PACKET_ORIGINAL_LENGTH_OFFSET >>> 2;

/** Code and length of the option epb_flags. */
const FLAGS_OPTION = 2 | (4 << 16);
const END_OF_OPTIONS = 0;

/** Room before the blocks, for the header of a message that contains them; keeps the blocks aligned. */
const HEADER_ROOM_BYTES = 16;

/**
 * An output buffer that is filled with blocks, and views of its memory as bytes and as words. Packets are written to it
 * without an object or a copy of their own; it is the only place that counts them.
 */
export class BlockBuffer {
  /** Where blocks are written. */
  readonly bytes: Buffer;
  readonly words: Uint32Array;
  private readonly memory: Buffer;
  /** Bytes that are filled; always a multiple of four. */
  length = 0;
  /** Packets in the buffer. */
  packets = 0;
  /** Their captured bytes. */
  packetBytes = 0;

  /** At this length the buffer counts as full, unless it is empty. */
  usualBytes: number;

  /** @param capacity room for the largest block, in bytes */
  constructor(readonly capacity: number) {
    this.usualBytes = capacity;
    this.memory = Buffer.from(new ArrayBuffer(HEADER_ROOM_BYTES + capacity));
    this.bytes = this.memory.subarray(HEADER_ROOM_BYTES);
    this.words = new Uint32Array(this.memory.buffer, HEADER_ROOM_BYTES, capacity >>> 2);
  }

  hasRoomFor(bytes: number): boolean {
    return this.hasRoomAt(this.length, bytes);
  }

  /** The same for a writer that has filled the buffer up to `length` and has not set `length` yet. */
  hasRoomAt(length: number, bytes: number): boolean {
    return length + bytes <= (length === 0 ? this.capacity : this.usualBytes);
  }

  append(block: Buffer): void {
    block.copy(this.bytes, this.length);
    this.length += block.length;
  }

  /**
   * Makes an enhanced packet block of packet data that has been written to `at` + PACKET_DATA_OFFSET, and counts the packet.
   * Bytes after the data are overwritten. The caller sets `length`, once for many packets.
   *
   * @param at offset of the block in bytes
   * @param flags value of the option epb_flags, which takes PACKET_FLAGS_BYTES more; 0: no such option
   * @returns length of the block in bytes
   */
  framePacket(
    at: number,
    interfaceId: number,
    timestamp: PacketTimestamp,
    captured: number,
    original: number,
    flags = 0,
  ): number {
    const { words } = this;
    let blockBytes = packetBlockLength(captured);
    const word = at >>> 2;
    let last = (at + blockBytes - 4) >>> 2;
    const odd = captured & 3;
    if (odd !== 0) words[last - 1] = (words[last - 1] ?? 0) & ((1 << (8 * odd)) - 1); // pad with zeros
    if (flags !== 0) {
      words[last++] = FLAGS_OPTION;
      words[last++] = flags;
      words[last++] = END_OF_OPTIONS;
      blockBytes += PACKET_FLAGS_BYTES;
    }
    words[word] = ENHANCED_PACKET_BLOCK;
    words[word + TOTAL_LENGTH] = blockBytes;
    words[word + INTERFACE] = interfaceId;
    words[word + TIMESTAMP] = timestamp.high;
    words[word + TIMESTAMP + 1] = timestamp.low;
    words[word + CAPTURED_LENGTH] = captured;
    words[word + ORIGINAL_LENGTH] = original;
    words[last] = blockBytes;
    this.packets++;
    this.packetBytes += captured;
    return blockBytes;
  }

  /**
   * Edits the blocks in place and counts the packets again.
   *
   * @param snapshotLength packets with more captured bytes are truncated to it
   * @param admit called for each packet with the length that the buffer
   *   will have with its block, after truncation; when it returns false the packet is left out
   */
  edit(snapshotLength: number, admit: (length: number) => boolean): void {
    const { words, bytes, length } = this;
    let kept = 0;
    this.packets = 0;
    this.packetBytes = 0;
    for (let from = 0, next; from < length; from = next) {
      const word = from >>> 2;
      next = from + words[word + TOTAL_LENGTH]!;
      let blockBytes = next - from;
      if (words[word] === ENHANCED_PACKET_BLOCK) {
        if (words[word + CAPTURED_LENGTH]! > snapshotLength) blockBytes = this.truncate(from, snapshotLength);
        const captured = words[word + CAPTURED_LENGTH]!;
        if (!admit(kept + blockBytes)) continue;
        this.packets++;
        this.packetBytes += captured;
      }
      if (kept < from) bytes.copyWithin(kept, from, from + blockBytes);
      kept += blockBytes;
    }
    this.length = kept;
  }

  /** The filled part; shares the memory. */
  filled(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  /** The filled part with a header of at most 16 bytes directly before it; shares the memory. */
  filledAfter(header: Uint8Array): Buffer {
    const start = HEADER_ROOM_BYTES - header.byteLength;
    this.memory.set(header, start);
    return this.memory.subarray(start, HEADER_ROOM_BYTES + this.length);
  }

  clear(): void {
    this.length = this.packets = this.packetBytes = 0;
  }

  /** Shortens a packet, which keeps its original length. @returns the new length of its block */
  private truncate(from: number, captured: number): number {
    const { words, bytes } = this;
    const word = from >>> 2;
    const data = from + PACKET_DATA_OFFSET;
    const options = data + paddedLength(words[word + CAPTURED_LENGTH]!);
    const end = from + words[word + TOTAL_LENGTH]! - 4;
    const blockBytes = packetBlockLength(captured) + end - options;
    bytes.fill(0, data + captured, data + paddedLength(captured));
    bytes.copyWithin(data + paddedLength(captured), options, end);
    words[word + CAPTURED_LENGTH] = captured;
    words[word + TOTAL_LENGTH] = blockBytes;
    words[((from + blockBytes) >>> 2) - 1] = blockBytes;
    return blockBytes;
  }
}

/**
 * A time in nanoseconds since 1970 as two words, as pcapng stores it. The product second × 10⁹ would lose its last digits
 * as a double, so it is computed in halves of 16 bits, once per second.
 */
export class PacketTimestamp {
  high = 0;
  low = 0;
  private second = -1;
  private secondHigh = 0;
  private secondLow = 0;

  set(second: number, nanosecond: number): void {
    if (second !== this.second) this.splitSecond(second);
    const low = this.secondLow + nanosecond;
    this.high = low > 0xffff_ffff ? this.secondHigh + 1 : this.secondHigh;
    this.low = low >>> 0;
  }

  private splitSecond(second: number): void {
    const upper = (second >>> 16) * 1e9; // × 2¹⁶
    const lower = (upper % 65536) * 65536 + (second & 0xffff) * 1e9;
    this.second = second;
    this.secondHigh = Math.floor(upper / 65536) + Math.floor(lower / 0x1_0000_0000);
    this.secondLow = lower % 0x1_0000_0000;
  }
}
