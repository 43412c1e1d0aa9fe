import type { PcapngProgress } from './pcapng-progress.js';

export { PcapngProgress } from './pcapng-progress.js';

/** Block types, option codes: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html */
const SECTION_HEADER_BLOCK = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION_BLOCK = 1;
const ENHANCED_PACKET_BLOCK = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const OPTION_END = 0;
const OPTION_COMMENT = 1;
const OPTION_IF_NAME = 2;
const OPTION_IF_TSRESOL = 9;
const LINKTYPE_ETHERNET = 1;
/** Timestamps in units of 10⁻⁹ seconds, as in all streams of this service. */
const NANOSECONDS = 9;

/** Far beyond any reason that we give, far below what an option may hold (65,535). */
const MAX_COMMENT_BYTES = 4096;

/**
 * A whole small pcapng whose only content is a reason, as comment of the section and of one empty packet: that is
 * where Wireshark shows it to a user whose plugin drops the reason of a websocket's close.
 */
export function refusalPcapng(reason: string): Buffer {
  return Buffer.concat([sectionHeaderBlock(reason), interfaceDescriptionBlock(), emptyPacketBlock(reason)]);
}

/**
 * What tells the reason for its end at the end of a stream: an empty packet with the reason as comment.
 *
 * @param progress has followed all that was sent of the stream
 * @returns undefined when the stream stands within a block, so that nothing can be appended
 */
export function endingBlocks(progress: PcapngProgress, reason: string): Buffer | undefined {
  if (!progress.atBlockBoundary) return undefined;
  if (!progress.sectionBegun) return refusalPcapng(reason);
  if (progress.interfaceCount > 0) return emptyPacketBlock(reason);
  return Buffer.concat([interfaceDescriptionBlock(), emptyPacketBlock(reason)]);
}

function sectionHeaderBlock(comment: string): Buffer {
  const fields = Buffer.alloc(16);
  fields.writeUInt32LE(BYTE_ORDER_MAGIC, 0);
  fields.writeUInt16LE(1, 4); // version 1.0
  fields.writeBigInt64LE(-1n, 8); // section length: unknown
  return block(SECTION_HEADER_BLOCK, fields, commentOption(comment));
}

function interfaceDescriptionBlock(): Buffer {
  const fields = Buffer.alloc(8);
  fields.writeUInt16LE(LINKTYPE_ETHERNET, 0);
  return block(
    INTERFACE_DESCRIPTION_BLOCK,
    fields,
    option(OPTION_IF_NAME, Buffer.from('packetflix')),
    option(OPTION_IF_TSRESOL, Buffer.from([NANOSECONDS])),
  );
}

/** On interface 0, captured just now, of 0 bytes. */
function emptyPacketBlock(comment: string): Buffer {
  const fields = Buffer.alloc(20);
  const timestamp = BigInt(Date.now()) * 1_000_000n;
  fields.writeUInt32LE(Number(timestamp >> 32n), 4);
  fields.writeUInt32LE(Number(timestamp & 0xffff_ffffn), 8);
  return block(ENHANCED_PACKET_BLOCK, fields, commentOption(comment));
}

function block(type: number, fields: Buffer, ...options: Buffer[]): Buffer {
  const body = Buffer.concat([fields, ...options, option(OPTION_END, Buffer.alloc(0))]);
  const header = Buffer.alloc(8);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(body.length + 12, 4);
  return Buffer.concat([header, body, header.subarray(4)]);
}

function commentOption(comment: string): Buffer {
  return option(OPTION_COMMENT, utf8Prefix(comment, MAX_COMMENT_BYTES));
}

function option(code: number, value: Buffer): Buffer {
  const padded = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  padded.writeUInt16LE(code, 0);
  padded.writeUInt16LE(value.length, 2);
  value.copy(padded, 4);
  return padded;
}

/** Cuts between two characters, never within one. */
function utf8Prefix(text: string, maxBytes: number): Buffer {
  const bytes = Buffer.alloc(maxBytes);
  return bytes.subarray(0, new TextEncoder().encodeInto(text, bytes).written);
}
