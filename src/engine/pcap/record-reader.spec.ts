import { packetsOf, readPcapng } from '../../../test/kit/pcapng.js';
import { interfaceDescriptionBlock, sectionHeaderBlock } from '../../shared/pcapng/blocks.js';
import { BlockBuffer } from '../../shared/pcapng/block-buffer.js';
import { RecordReader } from './record-reader.js';

const HEAD = Buffer.concat([
  sectionHeaderBlock([], 'test'),
  interfaceDescriptionBlock({ name: 'eth0', linkType: 1, snapshotLength: 262_144, filter: '' }),
]);

interface Given {
  readonly second: number;
  readonly nanosecond: number;
  readonly data: Buffer;
  readonly originalLength?: number;
}

/** As libpcap's pcap_dump writes them. */
function records(packets: readonly Given[]): Buffer {
  return Buffer.concat(
    packets.flatMap(({ second, nanosecond, data, originalLength = data.length }) => {
      const header = Buffer.alloc(16);
      [second, nanosecond, data.length, originalLength].forEach((word, i) =>
        header.writeUInt32LE(word, 4 * i),
      );
      return [header, data];
    }),
  );
}

/** Runs records through a reader with buffers of the given size, and reads the result back. */
function throughBlocks(batch: Buffer, capacity = 64 * 1024, reader = new RecordReader()) {
  const chunks: Buffer[] = [HEAD];
  reader.load(batch);
  while (!reader.exhausted) {
    const buffer = new BlockBuffer(capacity);
    buffer.bytes.fill(0xaa); // memory that was in use before
    reader.writeTo(buffer, 0);
    chunks.push(Buffer.from(buffer.filled()));
  }
  return packetsOf(readPcapng(Buffer.concat(chunks)));
}

const bytes = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 7 + length) & 0xff));

describe('RecordReader', () => {
  it('keeps every packet of any length, byte for byte and padded with zeros', () => {
    const lengths = [0, 1, 2, 3, 4, 5, 59, 60, 61, 127, 128, 129, 130, 131, 132, 1514, 9000, 65_549];
    const given = lengths.map((length) => ({
      second: 1_800_000_000,
      nanosecond: length,
      data: bytes(length),
    }));
    const packets = throughBlocks(records(given), 128 * 1024);
    expect(packets.map(({ data }) => data.toString('hex'))).toEqual(
      given.map(({ data }) => data.toString('hex')),
    );
  });

  it('keeps the original length of a truncated packet, even of an empty one', () => {
    const given = [
      { second: 1, nanosecond: 0, data: bytes(96), originalLength: 1514 },
      { second: 1, nanosecond: 0, data: bytes(0), originalLength: 60 },
    ];
    expect(throughBlocks(records(given)).map(({ originalLength }) => originalLength)).toEqual([1514, 60]);
  });

  it.each([
    [0, 0],
    [1, 999_999_999],
    [4, 294_967_295],
    [4, 294_967_296],
    [1_763_856_000, 0],
    [1_763_856_001, 999_999_999],
    [2_147_483_647, 999_999_999],
    [4_294_967_295, 999_999_999],
  ])('converts second %d and nanosecond %d into nanoseconds without losing a digit', (second, nanosecond) => {
    const [packet] = throughBlocks(records([{ second, nanosecond, data: bytes(4) }]));
    expect(packet?.timestamp).toBe(BigInt(second) * 1_000_000_000n + BigInt(nanosecond));
  });

  it('continues in the next buffer when one is full', () => {
    const given = Array.from({ length: 100 }, (_, i) => ({ second: 1, nanosecond: i, data: bytes(i * 9) }));
    const packets = throughBlocks(records(given), 1024);
    expect(packets.map(({ data }) => data.length)).toEqual(given.map(({ data }) => data.length));
  });

  it('omits packets that the filter rejects', () => {
    const given = [10, 20, 30].map((length) => ({ second: 1, nanosecond: 0, data: bytes(length) }));
    const seen: number[] = [];
    const reader = new RecordReader((_offset, original, captured) => {
      seen.push(original);
      return captured !== 20;
    });
    expect(throughBlocks(records(given), 1024, reader).map(({ data }) => data.length)).toEqual([10, 30]);
    expect(seen).toEqual([10, 20, 30]);
  });
});
