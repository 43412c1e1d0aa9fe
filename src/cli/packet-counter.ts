/** Block types of the pcapng format, https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/ */
const SECTION_HEADER = 0x0a0d0d0a;
const ENHANCED_PACKET = 0x00000006;
const SIMPLE_PACKET = 0x00000003;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const BYTE_ORDER_OFFSET = 8;
const ENHANCED_CAPTURED_LENGTH_OFFSET = 20;
const SIMPLE_ORIGINAL_LENGTH_OFFSET = 8;
/** Type, total length and trailing total length: no block is shorter. */
const SMALLEST_BLOCK_BYTES = 12;
/** Wireshark refuses longer ones, too. */
const LARGEST_BLOCK_BYTES = 16 * 1024 * 1024;
/** As far as we ever look into a block: up to and including the captured length. */
const LOOK_BYTES = 24;

/**
 * Counts packets in a pcapng stream that arrives in pieces, by walking from block to block. It keeps at most
 * 24 bytes of the stream. On something that is no pcapng it stops counting and says so in `lost`.
 */
export class PacketCounter {
  packets = 0;
  /** Captured bytes of all packets, without what the format adds. */
  bytes = 0;
  lost = false;

  private readonly head = Buffer.alloc(LOOK_BYTES);
  private headBytes = 0;
  /** What is left of a block that has been counted. */
  private skipBytes = 0;
  private littleEndian = true;

  add(piece: Uint8Array): void {
    let offset = 0;
    while (offset < piece.length && !this.lost) {
      if (this.skipBytes > 0) {
        const skipped = Math.min(this.skipBytes, piece.length - offset);
        this.skipBytes -= skipped;
        offset += skipped;
      } else {
        offset += this.fillHead(piece, offset);
        this.countWhenComplete();
      }
    }
  }

  /** Copies what is still missing of the block's head; returns how many bytes it took. */
  private fillHead(piece: Uint8Array, offset: number): number {
    const taken = Math.min(this.wantedHeadBytes() - this.headBytes, piece.length - offset);
    this.head.set(piece.subarray(offset, offset + taken), this.headBytes);
    this.headBytes += taken;
    return taken;
  }

  /** The shortest block is shorter than what we want to see of the others. */
  private wantedHeadBytes(): number {
    if (this.headBytes < SMALLEST_BLOCK_BYTES) return SMALLEST_BLOCK_BYTES;
    return Math.min(LOOK_BYTES, Math.max(this.totalLength(), SMALLEST_BLOCK_BYTES));
  }

  private countWhenComplete(): void {
    if (this.headBytes < SMALLEST_BLOCK_BYTES) return;
    if (this.read(0) === SECTION_HEADER) this.readByteOrder();
    if (!this.isTotalLengthSound()) this.lost = true;
    if (this.lost || this.headBytes < this.wantedHeadBytes()) return;
    this.count();
    this.skipBytes = this.totalLength() - this.headBytes;
    this.headBytes = 0;
  }

  private readByteOrder(): void {
    this.littleEndian = this.head.readUInt32LE(BYTE_ORDER_OFFSET) === BYTE_ORDER_MAGIC;
    if (this.read(BYTE_ORDER_OFFSET) !== BYTE_ORDER_MAGIC) this.lost = true;
  }

  private count(): void {
    const type = this.read(0);
    if (type !== ENHANCED_PACKET && type !== SIMPLE_PACKET) return;
    this.packets += 1;
    if (type === ENHANCED_PACKET) this.bytes += this.read(ENHANCED_CAPTURED_LENGTH_OFFSET);
    else this.bytes += Math.min(this.read(SIMPLE_ORIGINAL_LENGTH_OFFSET), this.totalLength() - 16);
  }

  private isTotalLengthSound(): boolean {
    const length = this.totalLength();
    return length >= SMALLEST_BLOCK_BYTES && length <= LARGEST_BLOCK_BYTES && length % 4 === 0;
  }

  private totalLength(): number {
    return this.read(4);
  }

  private read(offset: number): number {
    return this.littleEndian ? this.head.readUInt32LE(offset) : this.head.readUInt32BE(offset);
  }
}
