import {
  PACKET_CAPTURED_LENGTH_OFFSET,
  PACKET_DATA_OFFSET,
  PACKET_INTERFACE_OFFSET,
  PACKET_ORIGINAL_LENGTH_OFFSET,
  PACKET_TIMESTAMP_OFFSET,
} from '../../shared/pcapng/format.js';
import { MAX_BLOCK_BYTES } from './pcapng-reader.js';

const MAX_PACKETS = 10_000;
const MAX_BYTES = 16 * 1024 * 1024;

/** What the block of a packet says, apart from its data. */
export interface PacketFacts {
  readonly interfaceId: number;
  /** The time in the unit of the interface. */
  readonly timestamp: bigint;
  readonly capturedLength: number;
  readonly originalLength: number;
}

/**
 * The newest packets, as the blocks that they came in, in memory that is allocated once. Packets are numbered from 1 in
 * the order in which they came, and keep their numbers when older ones leave.
 */
export class PacketWindow {
  private readonly memory: Uint8Array;
  private readonly view: DataView;
  /** Where each block begins, by the number of its packet modulo `maxPackets`. */
  private readonly offsets: Uint32Array;
  private readonly lengths: Uint32Array;
  private tail = 0;
  private oldest = 1;
  private following = 1;
  private blockBytes = 0;

  constructor(
    private readonly maxPackets = MAX_PACKETS,
    maxBytes = MAX_BYTES,
  ) {
    this.memory = new Uint8Array(Math.max(maxBytes, MAX_BLOCK_BYTES));
    this.view = new DataView(this.memory.buffer);
    this.offsets = new Uint32Array(maxPackets);
    this.lengths = new Uint32Array(maxPackets);
  }

  /** Number of the oldest packet. */
  get first(): number {
    return this.oldest;
  }

  /** Number that the next packet will have. */
  get next(): number {
    return this.following;
  }

  get count(): number {
    return this.following - this.oldest;
  }

  /** Bytes of all blocks. */
  get bytes(): number {
    return this.blockBytes;
  }

  has(number: number): boolean {
    return number >= this.oldest && number < this.following;
  }

  /** Adds a copy of an enhanced packet block. Older packets leave to make room. */
  push(block: Uint8Array): void {
    const wraps = this.tail + block.length > this.memory.length;
    const at = wraps ? 0 : this.tail;
    while (this.count === this.maxPackets || this.isInTheWay(at, block.length, wraps)) this.removeOldest();
    this.memory.set(block, at);
    this.offsets[this.following % this.maxPackets] = at;
    this.lengths[this.following % this.maxPackets] = block.length;
    this.tail = at + block.length;
    this.blockBytes += block.length;
    this.following++;
  }

  /** The block of a packet in the window; it shares the memory, which the next packets overwrite. */
  block(number: number): Uint8Array {
    const offset = this.offsetOf(number);
    return this.memory.subarray(offset, offset + this.lengthOf(number));
  }

  facts(number: number): PacketFacts {
    const offset = this.offsetOf(number);
    const word = (at: number) => this.view.getUint32(offset + at, true);
    return {
      interfaceId: word(PACKET_INTERFACE_OFFSET),
      timestamp: (BigInt(word(PACKET_TIMESTAMP_OFFSET)) << 32n) | BigInt(word(PACKET_TIMESTAMP_OFFSET + 4)),
      capturedLength: word(PACKET_CAPTURED_LENGTH_OFFSET),
      originalLength: word(PACKET_ORIGINAL_LENGTH_OFFSET),
    };
  }

  /** The bytes of a packet; they share the memory as `block` does. */
  data(number: number): Uint8Array {
    const start = this.offsetOf(number) + PACKET_DATA_OFFSET;
    return this.memory.subarray(start, start + this.facts(number).capturedLength);
  }

  /** A copy of the blocks from this number on, one after the other. */
  blocksFrom(number: number): Uint8Array<ArrayBuffer> {
    let length = 0;
    for (let each = number; each < this.following; each++) length += this.lengthOf(each);
    const copy = new Uint8Array(length);
    for (let each = number, at = 0; each < this.following; each++) {
      const block = this.block(each);
      copy.set(block, at);
      at += block.length;
    }
    return copy;
  }

  /** Copies the packets that the other window has received since the last call, and drops those that it has dropped. */
  catchUp(other: PacketWindow): void {
    this.dropBefore(other.first);
    for (let number = this.following; number < other.next; number++) this.push(other.block(number));
  }

  /** Removes the packets with smaller numbers; those that are still to come cannot get such a number. */
  dropBefore(number: number): void {
    while (this.oldest < number && this.count > 0) this.removeOldest();
    if (this.following < number) this.oldest = this.following = number;
  }

  clear(): void {
    this.dropBefore(this.following);
  }

  /** Whether the oldest packet must leave before a block is written; `wraps`: the blocks after the tail leave, too. */
  private isInTheWay(at: number, length: number, wraps: boolean): boolean {
    if (this.count === 0) return false;
    const offset = this.offsetOf(this.oldest);
    return (wraps && offset >= this.tail) || (offset >= at && offset < at + length);
  }

  private removeOldest(): void {
    this.blockBytes -= this.lengthOf(this.oldest);
    this.oldest++;
  }

  private offsetOf(number: number): number {
    return this.offsets[number % this.maxPackets] ?? 0;
  }

  private lengthOf(number: number): number {
    return this.lengths[number % this.maxPackets] ?? 0;
  }
}

/** The blocks of the window as a pcapng file. @param header section header and interface descriptions */
export function pcapngFile(header: Uint8Array, window: PacketWindow): Uint8Array<ArrayBuffer> {
  const blocks = window.blocksFrom(window.first);
  const file = new Uint8Array(header.length + blocks.length);
  file.set(header);
  file.set(blocks, header.length);
  return file;
}
