const SECTION_HEADER_BLOCK = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION_BLOCK = 1;
const INTERFACE_STATISTICS_BLOCK = 5;
const ENHANCED_PACKET_BLOCK = 6;
const ISB_IFRECV = 4;
const ISB_OSDROP = 7;

const BLOCK_HEADER_BYTES = 8;
/** Of an enhanced packet block: up to where its packet begins. */
const PACKET_HEADER_BYTES = 28;
const STATISTICS_FIXED_BYTES = 20;
const LARGEST_OTHER_BLOCK_BYTES = 512 * 1024;
const LARGEST_BLOCK_BYTES = 1024 * 1024;

/**
 * Counts the blocks of a little-endian pcapng stream that comes in pieces cut anywhere. Looks at the headers only, in
 * place, so that it costs as little as can be next to what is measured.
 */
export class PcapngWalker {
  packets = 0;
  packetBytes = 0;
  interfaces = 0;
  sections = 0;
  /** What made the stream unreadable. */
  damage: string | undefined;
  private readonly statistics = new Map<number, { received: number; dropped: number }>();
  private readonly carry = Buffer.alloc(LARGEST_OTHER_BLOCK_BYTES);
  private carried = 0;
  private skip = 0;

  /** @param onPacket called with the timestamp of each packet in milliseconds since 1970 */
  constructor(private readonly onPacket: (timestampMs: number) => void) {}

  get received(): number {
    return [...this.statistics.values()].reduce((sum, { received }) => sum + received, 0);
  }

  get dropped(): number {
    return [...this.statistics.values()].reduce((sum, { dropped }) => sum + dropped, 0);
  }

  /** Whether the stream so far ends with a whole block. */
  get whole(): boolean {
    return !this.damage && this.skip === 0 && this.carried === 0 && this.sections === 1;
  }

  push(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end && !this.damage) {
      if (this.skip > 0) {
        const skipped = Math.min(this.skip, end - at);
        this.skip -= skipped;
        at += skipped;
      } else if (this.carried > 0 || end - at < this.needed(bytes, at, end - at)) {
        at = this.carryOn(bytes, at, end);
      } else {
        const length = this.take(bytes, at);
        this.skip = Math.max(0, at + length - end);
        at += length;
      }
    }
  }

  /** A header that is cut in two is put together first. */
  private carryOn(bytes: Buffer, at: number, end: number): number {
    const needed = this.needed(this.carry, 0, this.carried);
    const taken = Math.min(needed - this.carried, end - at);
    bytes.copy(this.carry, this.carried, at, at + taken);
    this.carried += taken;
    if (this.carried === this.needed(this.carry, 0, this.carried) && !this.damage) {
      this.skip = this.take(this.carry, 0) - this.carried;
      this.carried = 0;
    }
    return at + taken;
  }

  /** How much of the block at hand must be there to make sense of it. */
  private needed(bytes: Buffer, at: number, available: number): number {
    if (available < BLOCK_HEADER_BYTES) return BLOCK_HEADER_BYTES;
    if (bytes.readUInt32LE(at) === ENHANCED_PACKET_BLOCK) return PACKET_HEADER_BYTES;
    const length = bytes.readUInt32LE(at + 4);
    if (length > LARGEST_OTHER_BLOCK_BYTES) this.damage = `a block of ${length} bytes`;
    return length;
  }

  private take(bytes: Buffer, at: number): number {
    const type = bytes.readUInt32LE(at);
    const length = bytes.readUInt32LE(at + 4);
    if (length < 12 || length % 4 !== 0 || length > LARGEST_BLOCK_BYTES)
      this.damage = `block length ${length}`;
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
