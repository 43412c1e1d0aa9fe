/** A block of a little-endian pcapng stream, see draft-ietf-opsawg-pcapng. */
export interface PcapngBlock {
  readonly type: number;
  readonly body: Buffer;
}

export const SECTION_HEADER_BLOCK = 0x0a0d0d0a;
export const INTERFACE_DESCRIPTION_BLOCK = 1;
export const ENHANCED_PACKET_BLOCK = 6;

/** Splits a stream into its blocks. Throws if the two lengths of a block differ or the last block is truncated. */
export function readBlocks(stream: Buffer): PcapngBlock[] {
  const blocks: PcapngBlock[] = [];
  for (let offset = 0; offset < stream.length;) {
    const length = stream.readUInt32LE(offset + 4);
    if (length < 12 || length % 4 !== 0 || offset + length > stream.length) {
      throw new Error(`incomplete block at offset ${offset}: length ${length} of ${stream.length - offset}`);
    }
    if (stream.readUInt32LE(offset + length - 4) !== length)
      throw new Error(`lengths differ at offset ${offset}`);
    blocks.push({
      type: stream.readUInt32LE(offset),
      body: stream.subarray(offset + 8, offset + length - 4),
    });
    offset += length;
  }
  return blocks;
}

/** The comments of a section header block, in order. */
export function sectionCommentsOf(block: PcapngBlock): string[] {
  const comments: string[] = [];
  for (let offset = 16; offset + 4 <= block.body.length;) {
    const code = block.body.readUInt16LE(offset);
    const length = block.body.readUInt16LE(offset + 2);
    if (code === 0) break;
    if (code === 1) comments.push(block.body.toString('utf8', offset + 4, offset + 4 + length));
    offset += 4 + Math.ceil(length / 4) * 4;
  }
  return comments;
}
