import { isUtf8 } from 'node:buffer';

/**
 * A strict reader of the pcapng streams that the service may send: one little-endian section with interface
 * description, enhanced packet and interface statistics blocks. It throws on the first violation of
 * https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html and on unknown block types.
 */
const BLOCK_SECTION_HEADER = 0x0a0d0d0a;
const BLOCK_INTERFACE_DESCRIPTION = 1;
const BLOCK_INTERFACE_STATISTICS = 5;
const BLOCK_ENHANCED_PACKET = 6;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const BLOCK_FRAME_BYTES = 12;
const MAX_BLOCK_BYTES = 1024 * 1024;

const OPTION_END = 0;
const OPTION_COMMENT = 1;
const OPTION_IF_NAME = 2;
const OPTION_IF_DESCRIPTION = 3;
const OPTION_EPB_FLAGS = 2;
const OPTION_IF_TSRESOL = 9;
const OPTION_IF_FILTER = 11;
const OPTION_ISB_IFRECV = 4;
const OPTION_ISB_OSDROP = 7;
const IF_FILTER_KIND_TEXT = 0;
const NANOSECONDS_EXPONENT = 9;

export interface Section {
  /** -1: unspecified, as required in a stream. */
  readonly length: bigint;
  readonly comments: readonly string[];
}

export interface Interface {
  readonly id: number;
  readonly linkType: number;
  readonly snapshotLength: number;
  readonly name: string | undefined;
  readonly description: string | undefined;
  readonly filter: string | undefined;
  readonly comments: readonly string[];
  /** Exponent n: the unit of timestamps is 10^-n seconds. */
  readonly timestampResolution: number;
}

export interface Packet {
  readonly interface: Interface;
  /** Nanoseconds since 1970. */
  readonly timestamp: bigint;
  readonly data: Buffer;
  readonly originalLength: number;
  /** Value of epb_flags: bits 0 and 1 are the direction, inbound (1) or outbound (2). */
  readonly flags: number | undefined;
  readonly comments: readonly string[];
}

export interface Statistics {
  readonly interface: Interface;
  readonly timestamp: bigint;
  readonly received: bigint | undefined;
  readonly droppedBySystem: bigint | undefined;
  readonly comments: readonly string[];
}

export type Block =
  | ({ readonly kind: 'section' } & Section)
  | ({ readonly kind: 'interface' } & Interface)
  | ({ readonly kind: 'packet' } & Packet)
  | ({ readonly kind: 'statistics' } & Statistics);

export class PcapngError extends Error {
  constructor(message: string, blockNumber: number) {
    super(`pcapng block ${blockNumber}: ${message}`);
    this.name = 'PcapngError';
  }
}

/** Reads a stream that arrives in pieces of any size. */
export class PcapngReader {
  section: Section | undefined;
  readonly interfaces: Interface[] = [];
  private rest: Buffer = Buffer.alloc(0);
  private blockNumber = 0;

  /** Yields the blocks that this piece completes. */
  *push(piece: Buffer): Generator<Block> {
    const bytes = this.rest.length ? Buffer.concat([this.rest, piece]) : piece;
    let offset = 0;
    try {
      while (bytes.length - offset >= BLOCK_FRAME_BYTES) {
        const length = bytes.readUInt32LE(offset + 4);
        this.require(length % 4 === 0, `length ${length} is no multiple of 4`);
        this.require(length >= BLOCK_FRAME_BYTES && length <= MAX_BLOCK_BYTES, `length ${length}`);
        if (bytes.length - offset < length) {
          break;
        }
        const block = bytes.subarray(offset, offset + length);
        this.require(block.readUInt32LE(length - 4) === length, 'the lengths at both ends differ');
        offset += length;
        yield this.readBlock(block.readUInt32LE(0), block.subarray(8, length - 4));
        this.blockNumber += 1;
      }
    } finally {
      this.rest = bytes.subarray(offset);
    }
  }

  /** Number of bytes received of an incomplete block. */
  get incompleteBytes(): number {
    return this.rest.length;
  }

  /** Throws unless the stream ends at the end of a block. */
  end(): void {
    this.require(
      this.rest.length === 0,
      `the stream ends within a block, after ${this.rest.length} bytes of it`,
    );
    this.require(this.section !== undefined, 'the stream is empty');
  }

  private readBlock(type: number, body: Buffer): Block {
    this.require(
      (type === BLOCK_SECTION_HEADER) === (this.blockNumber === 0),
      'a section header must be the first block and no other',
    );
    switch (type) {
      case BLOCK_SECTION_HEADER:
        return this.readSectionHeader(body);
      case BLOCK_INTERFACE_DESCRIPTION:
        return this.readInterface(body);
      case BLOCK_ENHANCED_PACKET:
        return this.readPacket(body);
      case BLOCK_INTERFACE_STATISTICS:
        return this.readStatistics(body);
      default:
        return this.fail(`unknown block type ${type}`);
    }
  }

  private readSectionHeader(body: Buffer): Block {
    this.require(body.length >= 16, 'section header too short');
    this.require(body.readUInt32LE(0) === BYTE_ORDER_MAGIC, 'byte-order magic');
    this.require(body.readUInt16LE(4) === 1 && body.readUInt16LE(6) === 0, 'version is not 1.0');
    const options = this.readOptions(body.subarray(16));
    this.section = { length: body.readBigInt64LE(8), comments: this.comments(options) };
    return { kind: 'section', ...this.section };
  }

  private readInterface(body: Buffer): Block {
    this.require(body.length >= 8, 'interface description too short');
    this.require(body.readUInt16LE(2) === 0, 'reserved field is not 0');
    const options = this.readOptions(body.subarray(8));
    const description: Interface = {
      id: this.interfaces.length,
      linkType: body.readUInt16LE(0),
      snapshotLength: body.readUInt32LE(4),
      name: this.text(this.single(options, OPTION_IF_NAME)),
      description: this.text(this.single(options, OPTION_IF_DESCRIPTION)),
      comments: this.comments(options),
      filter: this.filterText(this.single(options, OPTION_IF_FILTER)),
      timestampResolution: this.resolution(this.single(options, OPTION_IF_TSRESOL)),
    };
    this.interfaces.push(description);
    return { kind: 'interface', ...description };
  }

  private readPacket(body: Buffer): Block {
    this.require(body.length >= 20, 'enhanced packet too short');
    const source = this.interfaceOf(body);
    const capturedLength = body.readUInt32LE(12);
    const originalLength = body.readUInt32LE(16);
    const paddedLength = padded(capturedLength);
    this.require(body.length >= 20 + paddedLength, `captured length ${capturedLength} exceeds the block`);
    this.require(capturedLength <= originalLength, 'captured length exceeds the original length');
    const { snapshotLength } = source;
    this.require(
      !snapshotLength || capturedLength <= snapshotLength,
      'captured length exceeds the snapshot length',
    );
    const padding = body.subarray(20 + capturedLength, 20 + paddedLength);
    this.require(
      padding.every((byte) => byte === 0),
      'padding of the packet is not 0',
    );
    const options = this.readOptions(body.subarray(20 + paddedLength));
    return {
      kind: 'packet',
      interface: source,
      timestamp: nanoseconds(body, source),
      data: body.subarray(20, 20 + capturedLength),
      originalLength,
      flags: this.flags(this.single(options, OPTION_EPB_FLAGS)),
      comments: this.comments(options),
    };
  }

  private readStatistics(body: Buffer): Block {
    this.require(body.length >= 12, 'interface statistics too short');
    const source = this.interfaceOf(body);
    const options = this.readOptions(body.subarray(12));
    return {
      kind: 'statistics',
      interface: source,
      timestamp: nanoseconds(body, source),
      received: this.counter(this.single(options, OPTION_ISB_IFRECV)),
      droppedBySystem: this.counter(this.single(options, OPTION_ISB_OSDROP)),
      comments: this.comments(options),
    };
  }

  private interfaceOf(body: Buffer): Interface {
    const id = body.readUInt32LE(0);
    return this.interfaces[id] ?? this.fail(`interface ${id} has not been described`);
  }

  private readOptions(bytes: Buffer): Map<number, Buffer[]> {
    const options = new Map<number, Buffer[]>();
    let offset = 0;
    while (offset < bytes.length) {
      this.require(bytes.length - offset >= 4, 'option header is truncated');
      const code = bytes.readUInt16LE(offset);
      const length = bytes.readUInt16LE(offset + 2);
      offset += 4;
      if (code === OPTION_END) {
        this.require(length === 0, 'end of options has a value');
        this.require(offset === bytes.length, 'something follows the end of options');
        return options;
      }
      const end = offset + padded(length);
      this.require(end <= bytes.length, `option ${code} exceeds the block`);
      const padding = bytes.subarray(offset + length, end);
      this.require(
        padding.every((byte) => byte === 0),
        `padding of option ${code} is not 0`,
      );
      options.set(code, [...(options.get(code) ?? []), bytes.subarray(offset, offset + length)]);
      offset = end;
    }
    this.require(options.size === 0, 'opt_endofopt is missing');
    return options;
  }

  private single(options: Map<number, Buffer[]>, code: number): Buffer | undefined {
    const values = options.get(code) ?? [];
    this.require(values.length <= 1, `option ${code} occurs ${values.length} times`);
    return values[0];
  }

  private comments(options: Map<number, Buffer[]>): string[] {
    return (options.get(OPTION_COMMENT) ?? []).map((comment) => this.text(comment) ?? '');
  }

  private text(value: Buffer | undefined): string | undefined {
    if (value && !isUtf8(value)) {
      this.fail('a text is not UTF-8');
    }
    return value?.toString('utf8');
  }

  private filterText(value: Buffer | undefined): string | undefined {
    if (value) {
      this.require(value[0] === IF_FILTER_KIND_TEXT, 'if_filter is not a libpcap filter string');
    }
    return this.text(value?.subarray(1));
  }

  private resolution(value: Buffer | undefined): number {
    const microseconds = 6;
    const exponent = value ? value.readUInt8(0) : microseconds;
    this.require(exponent <= NANOSECONDS_EXPONENT, `if_tsresol ${exponent}`);
    this.require(!value || value.length === 1, 'if_tsresol is not one byte');
    return exponent;
  }

  private flags(value: Buffer | undefined): number | undefined {
    this.require(!value || value.length === 4, 'epb_flags does not have 32 bits');
    return value?.readUInt32LE(0);
  }

  private counter(value: Buffer | undefined): bigint | undefined {
    this.require(!value || value.length === 8, 'a counter does not have 64 bits');
    return value?.readBigUInt64LE(0);
  }

  private require(condition: boolean, violation: string): void {
    if (!condition) {
      this.fail(violation);
    }
  }

  private fail(violation: string): never {
    throw new PcapngError(violation, this.blockNumber);
  }
}

/** Reads a complete file. */
export function readPcapng(bytes: Buffer): Block[] {
  const reader = new PcapngReader();
  const blocks = [...reader.push(bytes)];
  reader.end();
  return blocks;
}

export function packetsOf(blocks: readonly Block[]): Packet[] {
  return blocks.filter((block) => block.kind === 'packet');
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

function nanoseconds(body: Buffer, source: Interface): bigint {
  const ticks = (BigInt(body.readUInt32LE(4)) << 32n) | BigInt(body.readUInt32LE(8));
  return ticks * 10n ** BigInt(NANOSECONDS_EXPONENT - source.timestampResolution);
}
