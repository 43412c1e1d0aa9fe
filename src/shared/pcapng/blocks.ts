/**
 * Writes and reads the pcapng blocks that are rare, for engine and server. BlockBuffer writes packets. All blocks are little-endian.
 * Source: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html
 */

import {
  BYTE_ORDER_MAGIC,
  ENHANCED_PACKET_BLOCK,
  IF_NAME,
  INTERFACE_DESCRIPTION_BLOCK,
  INTERFACE_STATISTICS_BLOCK,
  MIN_BLOCK_BYTES,
  paddedLength,
  SECTION_HEADER_BLOCK,
} from './format.js';

const OPT_COMMENT = 1;
const SHB_USERAPPL = 4;
const IF_DESCRIPTION = 3;
const IF_TSRESOL = 9;
const IF_FILTER = 11;
const ISB_IFRECV = 4;
const ISB_OSDROP = 7;

/** if_tsresol 9: timestamps count units of 10^-9 seconds. */
const NANOSECONDS = 9;
/** First byte of if_filter: the filter is a text in the syntax of pcap-filter(7). */
const FILTER_IS_TEXT = 0;
/** The length field of an option has 16 bits, and a multiple of four needs no padding. */
const MAX_OPTION_BYTES = 0xfffc;

/**
 * A section header block, which begins the stream. The section length is -1, unknown.
 *
 * @param application name of the capturing application; empty: no such option
 */
export function sectionHeaderBlock(comments: readonly string[], application: string): Buffer {
  const fixed = Buffer.alloc(16);
  fixed.writeUInt32LE(BYTE_ORDER_MAGIC, 0);
  fixed.writeUInt16LE(1, 4); // version 1.0
  fixed.writeBigInt64LE(-1n, 8);
  const options = commentOptions(comments);
  if (application) options.push(option(SHB_USERAPPL, Buffer.from(application)));
  return block(SECTION_HEADER_BLOCK, fixed, options);
}

/** What an interface description block says. */
export interface InterfaceDescription {
  readonly name: string;
  /** A LINKTYPE_ value. */
  readonly linkType: number;
  /** In bytes. */
  readonly snapshotLength: number;
  /** Capture filter; empty: none. */
  readonly filter: string;
  /** For people; empty: none. */
  readonly description?: string;
  readonly comments?: readonly string[];
}

/** An interface description block. The interfaces of a section are numbered in the order of these blocks, from 0. */
export function interfaceDescriptionBlock({
  name,
  linkType,
  snapshotLength,
  filter,
  description = '',
  comments = [],
}: InterfaceDescription): Buffer {
  const fixed = Buffer.alloc(8);
  fixed.writeUInt16LE(linkType, 0);
  fixed.writeUInt32LE(snapshotLength, 4);
  const options = [
    ...commentOptions(comments),
    option(IF_NAME, Buffer.from(name)),
    ...(description ? [option(IF_DESCRIPTION, Buffer.from(description))] : []),
    option(IF_TSRESOL, Buffer.of(NANOSECONDS)),
  ];
  if (filter) {
    options.push(option(IF_FILTER, Buffer.concat([Buffer.of(FILTER_IS_TEXT), Buffer.from(filter)])));
  }
  return block(INTERFACE_DESCRIPTION_BLOCK, fixed, options);
}

/** Counters of an interface since its capture began. */
export interface InterfaceCounters {
  /** Packets that passed the filter, dropped ones included. */
  readonly received: number;
  /** Of these, packets that the kernel dropped because the ring was full. */
  readonly dropped: number;
}

/** @param at milliseconds since 1970 */
export function interfaceStatisticsBlock(
  interfaceId: number,
  at: number,
  { received, dropped }: InterfaceCounters,
  comments: readonly string[] = [],
): Buffer {
  return block(INTERFACE_STATISTICS_BLOCK, onInterface(12, interfaceId, at), [
    ...commentOptions(comments),
    option(ISB_IFRECV, uint64(received)),
    option(ISB_OSDROP, uint64(dropped)),
  ]);
}

/**
 * An enhanced packet block without packet data, which carries a comment.
 *
 * @param at milliseconds since 1970
 */
export function emptyPacketBlock(interfaceId: number, at: number, comment: string): Buffer {
  return block(ENHANCED_PACKET_BLOCK, onInterface(20, interfaceId, at), commentOptions([comment]));
}

/** The common beginning of statistics and packets: interface, and time in nanoseconds. The rest is zero. */
function onInterface(fixedBytes: number, interfaceId: number, at: number): Buffer {
  const fixed = Buffer.alloc(fixedBytes);
  const nanoseconds = BigInt(at) * 1_000_000n;
  fixed.writeUInt32LE(interfaceId, 0);
  fixed.writeUInt32LE(Number(nanoseconds >> 32n), 4);
  fixed.writeUInt32LE(Number(nanoseconds & 0xffff_ffffn), 8);
  return fixed;
}

/** Counters of an interface as an interface statistics block has them. */
export interface Statistics extends InterfaceCounters {
  readonly interfaceId: number;
  readonly comments: readonly string[];
}

/** @returns undefined when the block is not one that `interfaceDescriptionBlock` writes */
export function readInterfaceDescription(whole: Buffer): InterfaceDescription | undefined {
  const options = whole.length >= MIN_BLOCK_BYTES + 8 ? readOptions(whole, 16) : undefined;
  const texts = (code: number): string[] => (options?.get(code) ?? []).map((value) => value.toString());
  const [name] = texts(IF_NAME);
  if (name === undefined || options?.get(IF_TSRESOL)?.[0]?.[0] !== NANOSECONDS) return undefined;
  return {
    name,
    linkType: whole.readUInt16LE(8),
    snapshotLength: whole.readUInt32LE(12),
    filter: options.get(IF_FILTER)?.[0]?.toString('utf8', 1) ?? '',
    description: texts(IF_DESCRIPTION)[0] ?? '',
    comments: texts(OPT_COMMENT),
  };
}

/** @returns undefined when the block is not one that `interfaceStatisticsBlock` writes */
export function readStatistics(whole: Buffer): Statistics | undefined {
  const options = whole.length >= MIN_BLOCK_BYTES + 12 ? readOptions(whole, 20) : undefined;
  const received = options?.get(ISB_IFRECV)?.[0];
  const dropped = options?.get(ISB_OSDROP)?.[0];
  if (received?.length !== 8 || dropped?.length !== 8) return undefined;
  return {
    interfaceId: whole.readUInt32LE(8),
    received: Number(received.readBigUInt64LE()),
    dropped: Number(dropped.readBigUInt64LE()),
    comments: (options?.get(OPT_COMMENT) ?? []).map((value) => value.toString()),
  };
}

/** The values of the options of a block, by their codes. @returns undefined when one of them does not fit */
function readOptions(whole: Buffer, start: number): Map<number, Buffer[]> | undefined {
  const options = new Map<number, Buffer[]>();
  const end = whole.length - 4;
  for (let at = start; at + 4 <= end;) {
    const code = whole.readUInt16LE(at);
    const length = whole.readUInt16LE(at + 2);
    if (code === 0) break;
    if (at + 4 + length > end) return undefined;
    const values = options.get(code) ?? [];
    values.push(whole.subarray(at + 4, at + 4 + length));
    options.set(code, values);
    at += 4 + paddedLength(length);
  }
  return options;
}

function block(type: number, fixed: Buffer, options: Buffer[]): Buffer {
  const body = Buffer.concat([fixed, ...options, END_OF_OPTIONS]);
  const whole = Buffer.alloc(MIN_BLOCK_BYTES + body.length);
  whole.writeUInt32LE(type, 0);
  whole.writeUInt32LE(whole.length, 4);
  body.copy(whole, 8);
  whole.writeUInt32LE(whole.length, whole.length - 4);
  return whole;
}

const END_OF_OPTIONS = Buffer.alloc(4);

function commentOptions(comments: readonly string[]): Buffer[] {
  return comments.map((comment) => option(OPT_COMMENT, Buffer.from(comment)));
}

function option(code: number, value: Buffer): Buffer {
  const kept = value.subarray(0, MAX_OPTION_BYTES);
  const whole = Buffer.alloc(4 + paddedLength(kept.length));
  whole.writeUInt16LE(code, 0);
  whole.writeUInt16LE(kept.length, 2);
  kept.copy(whole, 4);
  return whole;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
