import {
  BLOCK_HEADER_BYTES,
  BYTE_ORDER_MAGIC,
  BYTE_ORDER_OFFSET,
  ENHANCED_PACKET_BLOCK,
  IF_NAME,
  INTERFACE_DESCRIPTION_BLOCK,
  INTERFACE_STATISTICS_BLOCK,
  MIN_BLOCK_BYTES,
  PACKET_CAPTURED_LENGTH_OFFSET,
  PACKET_DATA_OFFSET,
  PACKET_INTERFACE_OFFSET,
  paddedLength,
  SECTION_HEADER_BLOCK,
  TOTAL_LENGTH_OFFSET,
} from '../../shared/pcapng/format.js';

/** Far more than the longest block of the service: a packet of 256 KiB with comments. */
export const MAX_BLOCK_BYTES = 1024 * 1024;
/** The maximum size of the section header and all interface descriptions; a typical description has 100 bytes. */
const MAX_HEADER_BYTES = 8 * 1024 * 1024;

const OPT_END = 0;
const OPT_COMMENT = 1;
const IF_DESCRIPTION = 3;
const IF_TSRESOL = 9;
const ISB_OSDROP = 7;

/** Where the options begin in the blocks that can have comments of the service. */
const SECTION_OPTIONS_OFFSET = 24;
const INTERFACE_OPTIONS_OFFSET = 16;
const STATISTICS_OPTIONS_OFFSET = 20;
const STATISTICS_INTERFACE_OFFSET = 8;

export interface CapturedInterface {
  readonly id: number;
  readonly name: string;
  readonly description: string;
  /** A LINKTYPE_ value. */
  readonly linkType: number;
  /** The resolution of its timestamps. */
  readonly unitsPerSecond: bigint;
}

/** What an interface statistics block has, since the beginning of the capture. */
export interface InterfaceStatistics {
  readonly interfaceId: number;
  /** Packets that the kernel dropped. */
  readonly dropped: number | undefined;
}

/** What a stream contains, in its order. Bytes are valid until the function returns. */
export interface PcapngListener {
  /** A section header or an interface description, which a file with the packets after it needs. */
  header(block: Uint8Array): void;
  interface(description: CapturedInterface): void;
  /** An enhanced packet block. */
  packet(block: Uint8Array, interfaceId: number, capturedBytes: number): void;
  statistics(statistics: InterfaceStatistics): void;
  /** A comment on an interface or on statistics: what joined a set or left it. */
  comment(text: string): void;
}

/** What is wrong with a stream, as a sentence for people. */
export class PcapngError extends Error {}

/** Reads the pcapng stream of the service, little-endian and with one section, as it arrives in chunks that are divided anywhere. */
export class PcapngReader {
  private incomplete = new Uint8Array(4096);
  private incompleteBytes = 0;
  private headerBytes = 0;
  private interfaces = 0;
  private blockNumber = 0;

  constructor(private readonly listener: PcapngListener) {}

  /** @throws PcapngError; nothing more can be read after that */
  push(chunk: Uint8Array): void {
    let offset = 0;
    while (this.incompleteBytes > 0 && offset < chunk.length) offset += this.complete(chunk.subarray(offset));
    const view = viewOf(chunk);
    while (chunk.length - offset >= BLOCK_HEADER_BYTES) {
      const length = this.lengthOf(view, offset);
      if (chunk.length - offset < length) break;
      this.read(chunk.subarray(offset, offset + length));
      offset += length;
    }
    if (offset < chunk.length) this.keep(chunk.subarray(offset));
  }

  /** Adds what belongs to the incomplete block. @returns the number of bytes that were taken */
  private complete(chunk: Uint8Array): number {
    const hasLength = this.incompleteBytes >= BLOCK_HEADER_BYTES;
    const wanted = hasLength ? this.lengthOf(viewOf(this.incomplete), 0) : BLOCK_HEADER_BYTES;
    const taken = chunk.subarray(0, wanted - this.incompleteBytes);
    this.keep(taken);
    if (hasLength && this.incompleteBytes === wanted) {
      this.incompleteBytes = 0;
      this.read(this.incomplete.subarray(0, wanted));
    }
    return taken.length;
  }

  private keep(bytes: Uint8Array): void {
    const needed = this.incompleteBytes + bytes.length;
    if (needed > this.incomplete.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.incomplete.length));
      larger.set(this.incomplete.subarray(0, this.incompleteBytes));
      this.incomplete = larger;
    }
    this.incomplete.set(bytes, this.incompleteBytes);
    this.incompleteBytes = needed;
  }

  private lengthOf(view: DataView, offset: number): number {
    const length = view.getUint32(offset + TOTAL_LENGTH_OFFSET, true);
    if (length < MIN_BLOCK_BYTES || length > MAX_BLOCK_BYTES || length % 4 !== 0) {
      this.fail(`has an invalid length, ${length} bytes`);
    }
    return length;
  }

  private read(block: Uint8Array): void {
    const view = viewOf(block);
    if (view.getUint32(block.length - 4, true) !== block.length) this.fail('has two different lengths');
    const type = view.getUint32(0, true);
    if ((type === SECTION_HEADER_BLOCK) !== (this.blockNumber === 0)) {
      this.fail(this.blockNumber === 0 ? 'is no section header' : 'begins a second section');
    }
    switch (type) {
      case SECTION_HEADER_BLOCK:
        this.readSectionHeader(block, view);
        break;
      case INTERFACE_DESCRIPTION_BLOCK:
        this.readInterface(block, view);
        break;
      case ENHANCED_PACKET_BLOCK:
        this.readPacket(block, view);
        break;
      case INTERFACE_STATISTICS_BLOCK:
        this.readStatistics(block, view);
        break;
      default: // Others are skipped, as the format wants.
    }
    this.blockNumber++;
  }

  private readSectionHeader(block: Uint8Array, view: DataView): void {
    this.requireBytes(block, SECTION_OPTIONS_OFFSET);
    if (view.getUint32(BYTE_ORDER_OFFSET, true) !== BYTE_ORDER_MAGIC) this.fail('is not little-endian');
    this.addHeader(block);
  }

  private readInterface(block: Uint8Array, view: DataView): void {
    this.requireBytes(block, INTERFACE_OPTIONS_OFFSET);
    this.addHeader(block);
    let name = '';
    let description = '';
    let resolution = 6; // microseconds
    const comments: string[] = [];
    for (const { code, value } of this.options(block, INTERFACE_OPTIONS_OFFSET)) {
      if (code === OPT_COMMENT) comments.push(textOf(value));
      if (code === IF_NAME) name = textOf(value);
      if (code === IF_DESCRIPTION) description = textOf(value);
      if (code === IF_TSRESOL) resolution = value[0] ?? resolution;
    }
    const exponent = BigInt(resolution & 0x7f);
    this.listener.interface({
      id: this.interfaces++,
      name,
      description,
      linkType: view.getUint16(BLOCK_HEADER_BYTES, true),
      unitsPerSecond: (resolution & 0x80 ? 2n : 10n) ** exponent,
    });
    for (const comment of comments) this.listener.comment(comment);
  }

  private readPacket(block: Uint8Array, view: DataView): void {
    this.requireBytes(block, PACKET_DATA_OFFSET);
    const captured = view.getUint32(PACKET_CAPTURED_LENGTH_OFFSET, true);
    if (captured > block.length - PACKET_DATA_OFFSET - 4) this.fail('is shorter than its packet');
    this.listener.packet(block, this.interfaceIn(view, PACKET_INTERFACE_OFFSET), captured);
  }

  private readStatistics(block: Uint8Array, view: DataView): void {
    this.requireBytes(block, STATISTICS_OPTIONS_OFFSET);
    const interfaceId = this.interfaceIn(view, STATISTICS_INTERFACE_OFFSET);
    let dropped: number | undefined;
    for (const { code, value } of this.options(block, STATISTICS_OPTIONS_OFFSET)) {
      if (code === OPT_COMMENT) this.listener.comment(textOf(value));
      if (code === ISB_OSDROP && value.length === 8) dropped = Number(viewOf(value).getBigUint64(0, true));
    }
    this.listener.statistics({ interfaceId, dropped });
  }

  private addHeader(block: Uint8Array): void {
    this.headerBytes += block.length;
    if (this.headerBytes > MAX_HEADER_BYTES) this.fail('describes more interfaces than this page can hold');
    this.listener.header(block);
  }

  private interfaceIn(view: DataView, offset: number): number {
    const id = view.getUint32(offset, true);
    if (id >= this.interfaces) this.fail(`names interface ${id}, which has not been described`);
    return id;
  }

  private *options(block: Uint8Array, from: number): Generator<{ code: number; value: Uint8Array }> {
    const view = viewOf(block);
    const end = block.length - 4;
    for (let offset = from; offset + 4 <= end;) {
      const code = view.getUint16(offset, true);
      if (code === OPT_END) return;
      const length = view.getUint16(offset + 2, true);
      if (offset + 4 + length > end) this.fail('is shorter than its options');
      yield { code, value: block.subarray(offset + 4, offset + 4 + length) };
      offset += 4 + paddedLength(length);
    }
  }

  private requireBytes(block: Uint8Array, fixedBytes: number): void {
    if (block.length < fixedBytes + 4) this.fail(`has only ${block.length} bytes`);
  }

  private fail(what: string): never {
    throw new PcapngError(`The stream is damaged: block ${this.blockNumber + 1} ${what}.`);
  }
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const decoder = new TextDecoder();

function textOf(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
