/**
 * Numbers of the pcapng format, shared by its writers and its reader.
 * Source: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html
 */

export const SECTION_HEADER_BLOCK = 0x0a0d0d0a;
export const INTERFACE_DESCRIPTION_BLOCK = 1;
export const SIMPLE_PACKET_BLOCK = 3;
export const INTERFACE_STATISTICS_BLOCK = 5;
export const ENHANCED_PACKET_BLOCK = 6;

/** Third word of a section header block, in the byte order of its section. */
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

/** Type and total length, before the body of a block; the total length again follows it. */
export const BLOCK_HEADER_BYTES = 8;
/** The shortest block: its header, an empty body, and its total length again. */
export const MIN_BLOCK_BYTES = 12;

/** Byte offsets within a block, from its beginning. */
export const TOTAL_LENGTH_OFFSET = 4;
export const BYTE_ORDER_OFFSET = 8;
/** Of an enhanced packet block: interface id, timestamp (high word, low word), captured and original length, data. */
export const PACKET_INTERFACE_OFFSET = 8;
export const PACKET_TIMESTAMP_OFFSET = 12;
export const PACKET_CAPTURED_LENGTH_OFFSET = 20;
export const PACKET_ORIGINAL_LENGTH_OFFSET = 24;
export const PACKET_DATA_OFFSET = 28;
/** Of a simple packet block. */
export const SIMPLE_PACKET_ORIGINAL_LENGTH_OFFSET = 8;

/**
 * The option epb_flags of an enhanced packet block and the end of its options, in bytes. Its value has the direction in bits 0
 * and 1, and how the packet was received in bits 2 to 4.
 */
export const PACKET_FLAGS_BYTES = 12;

/** Option of an interface description block. */
export const IF_NAME = 2;

/** Length in bytes of what is padded to a multiple of 32 bits. */
export function paddedLength(bytes: number): number {
  return (bytes + 3) & ~3;
}

/** Total length in bytes of an enhanced packet block without options for `capturedBytes` of packet data. */
export function packetBlockLength(capturedBytes: number): number {
  return PACKET_DATA_OFFSET + paddedLength(capturedBytes) + 4;
}
