import {
  BLOCK_HEADER_BYTES,
  BYTE_ORDER_MAGIC,
  BYTE_ORDER_OFFSET,
  ENHANCED_PACKET_BLOCK,
  INTERFACE_DESCRIPTION_BLOCK,
  MIN_BLOCK_BYTES,
  SECTION_HEADER_BLOCK,
  TOTAL_LENGTH_OFFSET,
} from './format.js';

/** Wireshark refuses longer blocks, too. */
const MAX_BLOCK_BYTES = 16 * 1024 * 1024;

/** The beginning of a block. It is the reader itself, so it is valid only until `onBlock` returns. */
export interface BlockHead {
  readonly type: number;
  /** Total length of the block in bytes. */
  readonly totalLength: number;
  /** Reads a 32-bit field in the byte order of the section; `offset` in bytes from the beginning of the block. */
  uint32(offset: number): number;
  /** What is kept of the block, from its beginning. */
  readonly bytes: Buffer;
}

export interface BlockReaderOptions {
  /**
   * How many bytes of each block `BlockHead.uint32` can read, a multiple of 4 and at least 12 (the default).
   * Of a shorter block all of it can be read.
   */
  readonly headBytes?: number;
  /** The same for interface description blocks, whose options have names; default: `headBytes`. */
  readonly interfaceHeadBytes?: number;
  /** Do not report enhanced packet blocks: skipping those that arrive whole costs about 3 ns each. */
  readonly skipPackets?: boolean;
}

/**
 * Walks from block to block through a pcapng stream that arrives in chunks, divided anywhere. It keeps `headBytes` of
 * the current block and nothing else, whatever the stream contains. Sections of either byte order are understood.
 */
export class BlockReader implements BlockHead {
  private readonly head: Buffer;
  private readonly view: DataView;
  private readonly skipPackets: boolean;
  private readonly headBytes: number;
  private readonly interfaceHeadBytes: number;
  type = 0;
  totalLength = 0;
  /** Bytes of the current block that have been copied into `head`. */
  private headLength = 0;
  /** Bytes of the current block that are still to come after its head. */
  private skipBytes = 0;
  private littleEndian = true;
  private isMalformed = false;

  /** @param onBlock called once per block, as soon as its head is complete */
  constructor(
    private readonly onBlock: (block: BlockHead) => void,
    {
      headBytes = MIN_BLOCK_BYTES,
      interfaceHeadBytes = headBytes,
      skipPackets = false,
    }: BlockReaderOptions = {},
  ) {
    this.headBytes = headBytes;
    this.interfaceHeadBytes = interfaceHeadBytes;
    this.head = Buffer.alloc(Math.max(headBytes, interfaceHeadBytes));
    this.view = new DataView(this.head.buffer, this.head.byteOffset, this.head.length);
    this.skipPackets = skipPackets;
  }

  /** Whether the stream stopped being pcapng; nothing is read from then on. */
  get malformed(): boolean {
    return this.isMalformed;
  }

  /** Whether the stream so far ends with a complete block (or is empty), so that another block may follow. */
  get atBlockBoundary(): boolean {
    return !this.isMalformed && this.headLength === 0 && this.skipBytes === 0;
  }

  /** Whether the current section is little-endian, as everything is that this service writes. */
  get isLittleEndian(): boolean {
    return this.littleEndian;
  }

  /** Reads the next chunk of the stream and keeps no reference to it. */
  push(chunk: Uint8Array): void {
    const { length } = chunk;
    let offset = 0;
    while (offset < length && !this.isMalformed) {
      if (this.skipBytes > 0) {
        const skipped = Math.min(this.skipBytes, length - offset);
        this.skipBytes -= skipped;
        offset += skipped;
        continue;
      }
      if (this.skipPackets && this.headLength === 0 && this.littleEndian) {
        offset = endOfPackets(chunk, offset);
      }
      const wanted = Math.min(this.wantedHeadLength, this.headLength + length - offset);
      while (this.headLength < wanted) this.head[this.headLength++] = chunk[offset++]!;
      if (this.headLength >= MIN_BLOCK_BYTES) this.parseHead();
    }
  }

  /** No block is shorter than its header and trailer, and its length says whether more of it can be kept. */
  private get wantedHeadLength(): number {
    if (this.headLength < MIN_BLOCK_BYTES) return MIN_BLOCK_BYTES;
    const wanted = this.type === INTERFACE_DESCRIPTION_BLOCK ? this.interfaceHeadBytes : this.headBytes;
    return Math.min(wanted, this.totalLength);
  }

  private parseHead(): void {
    if (this.headLength === MIN_BLOCK_BYTES) {
      this.type = this.uint32(0);
      // The type of a section header block reads the same in either byte order; its magic tells which one follows.
      if (this.type === SECTION_HEADER_BLOCK) this.readByteOrder();
      this.totalLength = this.uint32(TOTAL_LENGTH_OFFSET);
      if (!isBlockLength(this.totalLength)) this.isMalformed = true;
    }
    if (this.isMalformed || this.headLength < this.wantedHeadLength) return;
    this.skipBytes = this.totalLength - this.headLength;
    if (!this.skipPackets || this.type !== ENHANCED_PACKET_BLOCK) this.onBlock(this);
    this.headLength = 0;
  }

  private readByteOrder(): void {
    this.littleEndian = this.view.getUint32(BYTE_ORDER_OFFSET, true) === BYTE_ORDER_MAGIC;
    if (this.uint32(BYTE_ORDER_OFFSET) !== BYTE_ORDER_MAGIC) this.isMalformed = true;
  }

  get bytes(): Buffer {
    return this.head.subarray(0, this.headLength);
  }

  uint32(offset: number): number {
    return this.view.getUint32(offset, this.littleEndian);
  }
}

/**
 * Offset of the first block at or after `start` that is not an enhanced packet block or is not complete in the chunk. This loop
 * runs once per packet and compares one byte of the type: other types with the same lowest byte may be skipped, too.
 */
function endOfPackets(chunk: Uint8Array, start: number): number {
  let offset = start;
  while (chunk[offset] === ENHANCED_PACKET_BLOCK && chunk.length - offset >= BLOCK_HEADER_BYTES) {
    const length = littleEndianWord(chunk, offset + TOTAL_LENGTH_OFFSET);
    if (!isBlockLength(length) || length > chunk.length - offset) break;
    offset += length;
  }
  return offset;
}

function isBlockLength(length: number): boolean {
  return length >= MIN_BLOCK_BYTES && length <= MAX_BLOCK_BYTES && length % 4 === 0;
}

function littleEndianWord(bytes: Uint8Array, offset: number): number {
  const high = bytes[offset + 2]! | (bytes[offset + 3]! << 8);
  return (bytes[offset]! | (bytes[offset + 1]! << 8) | (high << 16)) >>> 0;
}
