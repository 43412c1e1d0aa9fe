const SECTION_HEADER_BLOCK = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION_BLOCK = 1;
const INTERFACE_STATISTICS_BLOCK = 5;
const ENHANCED_PACKET_BLOCK = 6;
const ISB_IFRECV = 4;
const ISB_OSDROP = 7;

const BLOCK_HEADER_BYTES = 8;
/** Part of an enhanced packet block before the packet data. */
const PACKET_HEADER_BYTES = 28;
const STATISTICS_FIXED_BYTES = 20;
const MAX_OTHER_BLOCK_BYTES = 512 * 1024;
const MAX_BLOCK_BYTES = 1024 * 1024;

/**
 * Counts the blocks of a little-endian pcapng stream that arrives in arbitrary chunks. Unlike the BlockReader of the service,
 * it copies nothing, because it shares the machine with the measured programs.
 */
export class PcapngWalker {
  packets = 0;
  packetBytes = 0;
  interfaces = 0;
  sections = 0;
  /** What made the stream invalid. */
  damage: string | undefined;
  private readonly statistics = new Map<number, { received: number; dropped: number }>();
  private readonly carry = Buffer.alloc(MAX_OTHER_BLOCK_BYTES);
  private carriedBytes = 0;
  private skipBytes = 0;

  /** @param onPacket called with the timestamp of each packet in milliseconds since 1970 */
  constructor(private readonly onPacket: (timestampMs: number) => void) {}

  get received(): number {
    return [...this.statistics.values()].reduce((sum, { received }) => sum + received, 0);
  }

  get dropped(): number {
    return [...this.statistics.values()].reduce((sum, { dropped }) => sum + dropped, 0);
  }

  /** Whether the stream so far ends with a complete block. */
  get whole(): boolean {
    return !this.damage && this.skipBytes === 0 && this.carriedBytes === 0 && this.sections === 1;
  }

  push(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && !this.damage) {
      if (this.skipBytes > 0) {
        const skipped = Math.min(this.skipBytes, end - at);
        this.skipBytes -= skipped;
        at += skipped;
      } else if (this.carriedBytes > 0 || end - at < this.needed(bytes, at, end - at)) {
        at = this.carryHeader(bytes, at, end);
      } else {
        const length = this.take(bytes, at);
        this.skipBytes = Math.max(0, at + length - end);
        at += length;
      }
    }
  }

  /** Reassembles a header that is divided between two chunks. */
  private carryHeader(bytes: Buffer, at: number, end: number): number {
    const needed = this.needed(this.carry, 0, this.carriedBytes);
    const taken = Math.min(needed - this.carriedBytes, end - at);
    bytes.copy(this.carry, this.carriedBytes, at, at + taken);
    this.carriedBytes += taken;
    if (this.carriedBytes === this.needed(this.carry, 0, this.carriedBytes) && !this.damage) {
      this.skipBytes = this.take(this.carry, 0) - this.carriedBytes;
      this.carriedBytes = 0;
    }
    return at + taken;
  }

  /** Number of bytes of the current block that are required to parse it. */
  private needed(bytes: Buffer, at: number, available: number): number {
    if (available < BLOCK_HEADER_BYTES) return BLOCK_HEADER_BYTES;
    if (bytes.readUInt32LE(at) === ENHANCED_PACKET_BLOCK) return PACKET_HEADER_BYTES;
    const length = bytes.readUInt32LE(at + 4);
    if (length > MAX_OTHER_BLOCK_BYTES) this.damage = `a block of ${length} bytes`;
    return length;
  }

  private take(bytes: Buffer, at: number): number {
    const type = bytes.readUInt32LE(at);
    const length = bytes.readUInt32LE(at + 4);
    if (length < 12 || length % 4 !== 0 || length > MAX_BLOCK_BYTES) this.damage = `block length ${length}`;
    if (type === ENHANCED_PACKET_BLOCK) {
      this.packets += 1;
      this.packetBytes += bytes.readUInt32LE(at + 20);
      const nanoseconds = bytes.readUInt32LE(at + 12) * 0x1_0000_0000 + bytes.readUInt32LE(at + 16);
      this.onPacket(nanoseconds / 1e6);
    } else if (type === INTERFACE_STATISTICS_BLOCK) {
      this.takeStatistics(bytes.subarray(at, at + length));
    } else if (type === INTERFACE_DESCRIPTION_BLOCK) {
      this.interfaces += 1;
    } else if (type === SECTION_HEADER_BLOCK) {
      this.sections += 1;
    } else {
      this.damage = `block type ${type} after ${this.packets} packets`;
    }
    return length;
  }

  private takeStatistics(block: Buffer): void {
    const options = new Map<number, number>();
    for (let at = STATISTICS_FIXED_BYTES; at + 8 <= block.length - 4;) {
      const length = block.readUInt16LE(at + 2);
      if (length === 8) options.set(block.readUInt16LE(at), Number(block.readBigUInt64LE(at + 4)));
      at += 4 + ((length + 3) & ~3);
    }
    this.statistics.set(block.readUInt32LE(8), {
      received: options.get(ISB_IFRECV) ?? 0,
      dropped: options.get(ISB_OSDROP) ?? 0,
    });
  }
}
