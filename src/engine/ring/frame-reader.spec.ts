import { packetsOf, readPcapng } from '../../../test/kit/pcapng.js';
import { interfaceDescriptionBlock, sectionHeaderBlock } from '../../shared/pcapng/blocks.js';
import { BlockBuffer } from '../../shared/pcapng/block-buffer.js';
import { FrameReader, type FrameReading } from './frame-reader.js';

const HEAD = Buffer.concat([
  sectionHeaderBlock([], 'test'),
  interfaceDescriptionBlock({ name: 'eth0', linkType: 1, snapshotLength: 262_144, filter: '' }),
]);
const FRAME_HEADER_BYTES = 80;
const VLAN_VALID = 1 << 4;
const VLAN_PROTOCOL_VALID = 1 << 6;
const ETHERNET: FrameReading = { vlanTagOffset: 12 };

interface Frame {
  readonly data: Buffer;
  readonly second?: number;
  readonly nanosecond?: number;
  readonly original?: number;
  /** Offset of the packet in the frame, in bytes. */
  readonly start?: number;
  /** See `sll_pkttype` in packet(7). */
  readonly packetType?: number;
  readonly tag?: { readonly control: number; readonly protocol?: number };
}

/** As the kernel lays frames out in a block, see linux/if_packet.h. */
function ringOf(frames: readonly Frame[]): ArrayBuffer {
  const chunks = frames.map(({ data, start = FRAME_HEADER_BYTES, ...facts }) => {
    const frame = Buffer.alloc((start + data.length + 15) & ~7, 0xbb);
    frame.fill(0, 0, start);
    const status = facts.tag ? VLAN_VALID | (facts.tag.protocol === undefined ? 0 : VLAN_PROTOCOL_VALID) : 0;
    [
      frame.length,
      facts.second ?? 1_800_000_000,
      facts.nanosecond ?? 0,
      data.length,
      facts.original ?? data.length,
      status,
    ].forEach((word, i) => frame.writeUInt32LE(word, 4 * i));
    frame.writeUInt16LE(start, 24);
    frame.writeUInt32LE(facts.tag?.control ?? 0, 32);
    frame.writeUInt16LE(facts.tag?.protocol ?? 0, 36);
    frame.writeUInt8(facts.packetType ?? 0, 58);
    data.copy(frame, start);
    return frame;
  });
  const all = Buffer.concat(chunks);
  return all.buffer.slice(all.byteOffset, all.byteOffset + all.length);
}

/** Runs frames through a reader with buffers of the given size, and reads the result back. */
function throughBlocks(frames: readonly Frame[], reading = ETHERNET, capacity = 128 * 1024) {
  const reader = new FrameReader(ringOf(frames), reading);
  reader.load(0, frames.length);
  const chunks: Buffer[] = [HEAD];
  let counted = 0;
  let countedBytes = 0;
  while (!reader.exhausted) {
    const buffer = new BlockBuffer(capacity);
    buffer.bytes.fill(0xaa); // memory that was in use before
    reader.writeTo(buffer, 0);
    counted += buffer.packets;
    countedBytes += buffer.packetBytes;
    chunks.push(Buffer.from(buffer.filled()));
  }
  return { counted, countedBytes, packets: packetsOf(readPcapng(Buffer.concat(chunks))) };
}

const bytes = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 7 + length) & 0xff));

describe('FrameReader', () => {
  it.each([
    ['at a multiple of four', 80],
    ['anywhere else', 82],
  ])('keeps every packet of any length that begins %s, byte for byte and padded with zeros', (_, start) => {
    const lengths = [0, 1, 2, 3, 4, 5, 59, 60, 61, 383, 384, 385, 386, 1514, 9000, 65_549];
    const given = lengths.map((length) => ({ data: bytes(length), start }));
    const { packets, counted, countedBytes } = throughBlocks(given);
    expect(packets.map(({ data }) => data.toString('hex'))).toEqual(
      given.map(({ data }) => data.toString('hex')),
    );
    expect(counted).toBe(lengths.length);
    expect(countedBytes).toBe(lengths.reduce((sum, length) => sum + length));
  });

  it('keeps the original length of a truncated packet', () => {
    const { packets } = throughBlocks([{ data: bytes(60), original: 1_514 }]);
    expect(packets[0]?.originalLength).toBe(1_514);
  });

  it('keeps the time to the nanosecond', () => {
    const { packets } = throughBlocks([{ data: bytes(4), second: 1_763_856_001, nanosecond: 999_999_999 }]);
    expect(packets[0]?.timestamp).toBe(1_763_856_001_999_999_999n);
  });

  it.each([
    ['a short packet', 60],
    ['a long packet', 1_500],
    ['nothing but addresses', 12],
  ])('puts the VLAN tag back that the kernel reports separately, into %s', (_, length) => {
    const data = bytes(length);
    const { packets } = throughBlocks([{ data, tag: { control: 0x6fa7 }, original: length }]);
    const tag = Buffer.from('81006fa7', 'hex');
    expect(packets[0]?.data).toEqual(Buffer.concat([data.subarray(0, 12), tag, data.subarray(12)]));
    expect(packets[0]?.originalLength).toBe(length + 4);
  });

  it('puts tags of provider bridges back, 802.1ad', () => {
    const { packets } = throughBlocks([{ data: bytes(60), tag: { control: 7, protocol: 0x88a8 } }]);
    expect(packets[0]?.data.subarray(12, 16).toString('hex')).toBe('88a80007');
  });

  it.each([
    ['which is too short for it', bytes(11), ETHERNET],
    ['whose link type has none', bytes(60), {}],
  ])('puts no tag into a packet %s', (_, data, reading) => {
    const { packets } = throughBlocks([{ data, tag: { control: 7 } }], reading);
    expect(packets[0]?.data).toEqual(data);
  });

  it('tells the direction and the kind of reception if it is wanted', () => {
    const given = [0, 1, 2, 3, 4, 7].map((packetType, i) => ({ data: bytes(59 + i), packetType }));
    const { packets } = throughBlocks(given, { ...ETHERNET, withDirection: true }, 256);
    expect(packets.map(({ flags }) => flags)).toEqual([0b00101, 0b01101, 0b01001, 0b10001, 0b10, undefined]);
    expect(packets.map(({ data }) => data)).toEqual(given.map(({ data }) => data));
    expect(throughBlocks(given).packets[0]?.flags).toBeUndefined();
  });

  it('continues in the next buffer when one is full', () => {
    const given = Array.from({ length: 100 }, (_, i) => ({ data: bytes(i * 9), nanosecond: i }));
    const { packets } = throughBlocks(given, ETHERNET, 1_024);
    expect(packets.map(({ data }) => data.length)).toEqual(given.map(({ data }) => data.length));
  });

  it('omits packets that the filter, which sees tags, rejects', () => {
    const seen: string[] = [];
    const filter = (packet: Uint8Array, originalLength: number) => {
      seen.push(`${packet.length} of ${originalLength}`);
      return packet.length !== 64;
    };
    const given = [
      { data: bytes(60), tag: { control: 7 } },
      { data: bytes(61), original: 99 },
    ];
    const { packets, counted } = throughBlocks(given, { ...ETHERNET, filter });
    expect(seen).toEqual(['64 of 64', '61 of 99']);
    expect(packets.map(({ data }) => data.length)).toEqual([61]);
    expect(counted).toBe(1);
  });
});
