import { BlockReader, type BlockReaderOptions } from './block-reader.js';
import { BYTE_ORDER_MAGIC, ENHANCED_PACKET_BLOCK, SECTION_HEADER_BLOCK } from './format.js';

function words(littleEndian: boolean, ...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) =>
    littleEndian ? bytes.writeUInt32LE(value, index * 4) : bytes.writeUInt32BE(value, index * 4),
  );
  return bytes;
}

function block(type: number, body: Buffer, littleEndian: boolean): Buffer {
  const length = 12 + body.length;
  return Buffer.concat([words(littleEndian, type, length), body, words(littleEndian, length)]);
}

function packet(littleEndian: boolean, length: number): Buffer {
  const data = Buffer.alloc(Math.ceil(length / 4) * 4, 0x0a);
  const fixed = words(littleEndian, 0, 1, 2, length, length);
  return block(ENHANCED_PACKET_BLOCK, Buffer.concat([fixed, data]), littleEndian);
}

function blocksOf(littleEndian: boolean): Buffer[] {
  const sectionHeader = words(littleEndian, BYTE_ORDER_MAGIC, 1, 0xffff_ffff, 0xffff_ffff);
  return [
    block(SECTION_HEADER_BLOCK, sectionHeader, littleEndian),
    block(1, words(littleEndian, 1, 0), littleEndian),
    packet(littleEndian, 60),
    // The shortest block that the format allows, and a packet without data.
    block(0x0bad, Buffer.alloc(0), littleEndian),
    packet(littleEndian, 0),
    packet(littleEndian, 1501),
    block(5, words(littleEndian, 0, 1, 2), littleEndian),
  ];
}

interface Reported {
  readonly type: number;
  readonly totalLength: number;
  readonly captured?: number;
}

function readerInto(reported: Reported[], options?: BlockReaderOptions): BlockReader {
  return new BlockReader((block) => {
    const { type, totalLength } = block;
    const captured = type === ENHANCED_PACKET_BLOCK ? block.uint32(20) : undefined;
    reported.push({ type, totalLength, ...(captured !== undefined && { captured }) });
  }, options);
}

const EXPECTED: readonly Reported[] = [
  { type: SECTION_HEADER_BLOCK, totalLength: 28 },
  { type: 1, totalLength: 20 },
  { type: 6, totalLength: 92, captured: 60 },
  { type: 0x0bad, totalLength: 12 },
  { type: 6, totalLength: 32, captured: 0 },
  { type: 6, totalLength: 1536, captured: 1501 },
  { type: 5, totalLength: 24 },
];

describe('BlockReader', () => {
  it.each([
    ['little-endian', true],
    ['big-endian', false],
  ])('reports type, length and fields of each block of a %s stream', (_, littleEndian) => {
    const reported: Reported[] = [];
    const reader = readerInto(reported, { headBytes: 24 });
    reader.push(Buffer.concat(blocksOf(littleEndian)));
    expect(reported).toEqual(EXPECTED);
    expect(reader).toMatchObject({ isLittleEndian: littleEndian, atBlockBoundary: true, malformed: false });
  });

  it('reports the same for chunks of any size', () => {
    const stream = Buffer.concat(blocksOf(true));
    for (let size = 1; size < 70; size++) {
      const all: Reported[] = [];
      const others: Reported[] = [];
      const readers = [readerInto(all, { headBytes: 24 }), readerInto(others, { skipPackets: true })];
      for (let offset = 0; offset < stream.length; offset += size) {
        for (const reader of readers) reader.push(stream.subarray(offset, offset + size));
      }
      expect(all).toEqual(EXPECTED);
      expect(others).toEqual(EXPECTED.filter(({ type }) => type !== ENHANCED_PACKET_BLOCK));
    }
  });

  it('knows at each offset whether the stream ends with a complete block', () => {
    const blocks = blocksOf(true);
    const stream = Buffer.concat(blocks);
    const boundaries = new Set([0]);
    let end = 0;
    for (const each of blocks) boundaries.add((end += each.length));
    for (let cut = 0; cut <= stream.length; cut++) {
      const reader = readerInto([], { skipPackets: true });
      reader.push(stream.subarray(0, cut));
      expect(reader.atBlockBoundary).toBe(boundaries.has(cut));
      reader.push(stream.subarray(cut));
      expect(reader.atBlockBoundary).toBe(true);
    }
  });

  it.each([
    ['text', Buffer.from('HTTP/1.1 200 OK\r\n\r\n')],
    ['a total length of 0', Buffer.alloc(12)],
    ['a total length of 4 GiB', words(true, 1, 0xffff_fffc, 0)],
    ['a section header block without its magic', block(SECTION_HEADER_BLOCK, Buffer.alloc(16), true)],
  ])('reports nothing any more after %s', (_title, nonsense) => {
    const reported: Reported[] = [];
    const reader = readerInto(reported);
    reader.push(nonsense);
    reader.push(Buffer.concat(blocksOf(true)));
    expect(reported).toEqual([]);
    expect(reader).toMatchObject({ malformed: true, atBlockBoundary: false });
  });
});
