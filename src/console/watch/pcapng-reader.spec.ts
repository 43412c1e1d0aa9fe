import {
  interfaceDescriptionBlock,
  interfaceStatisticsBlock,
  sectionHeaderBlock,
} from '../../shared/pcapng/blocks.js';
import {
  BYTE_ORDER_MAGIC,
  ENHANCED_PACKET_BLOCK,
  INTERFACE_DESCRIPTION_BLOCK,
  INTERFACE_STATISTICS_BLOCK,
  SECTION_HEADER_BLOCK,
} from '../../shared/pcapng/format.js';
import { MAX_BLOCK_BYTES, PcapngError, PcapngReader } from './pcapng-reader.js';

const HEADER = sectionHeaderBlock(['for clients'], 'packetflix');
const INTERFACE = interfaceDescriptionBlock({
  name: 'web:eth0',
  description: 'docker',
  linkType: 1,
  snapshotLength: 262_144,
  filter: 'tcp',
  comments: ['web joined'],
});
const STATISTICS = interfaceStatisticsBlock(0, 1_700_000_000_000, { received: 7, dropped: 3 }, ['db left']);

function block(type: number, body: Uint8Array, length = 12 + body.length, lengthAgain = length): Buffer {
  const whole = Buffer.alloc(12 + body.length);
  whole.writeUInt32LE(type, 0);
  whole.writeUInt32LE(length, 4);
  whole.set(body, 8);
  whole.writeUInt32LE(lengthAgain, whole.length - 4);
  return whole;
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32LE(value, 4 * index));
  return bytes;
}

function packet(data: Uint8Array, interfaceId = 0, captured = data.length): Buffer {
  const padding = Buffer.alloc(-data.length & 3);
  const fixed = words(interfaceId, 0, 1, captured, data.length);
  return block(ENHANCED_PACKET_BLOCK, Buffer.concat([fixed, data, padding]));
}

/** What a reader reports, as texts. */
function readingInto(reported: string[]): PcapngReader {
  return new PcapngReader({
    header: (bytes) => reported.push(`header of ${bytes.length}`),
    interface: ({ id, name, description, linkType, unitsPerSecond }) =>
      reported.push(
        `interface ${id} ${name} (${description}), link type ${linkType}, ${unitsPerSecond} units/s`,
      ),
    packet: (bytes, interfaceId, captured) =>
      reported.push(`packet of ${captured} on ${interfaceId}: ${Buffer.from(bytes).toString('hex')}`),
    statistics: ({ interfaceId, dropped }) =>
      reported.push(`statistics of ${interfaceId}: ${dropped} dropped`),
    comment: (text) => reported.push(`comment ${text}`),
  });
}

function read(...chunks: readonly Uint8Array[]): string[] {
  const reported: string[] = [];
  const reader = readingInto(reported);
  for (const chunk of chunks) reader.push(chunk);
  return reported;
}

describe('PcapngReader', () => {
  const packets = [packet(Buffer.from('abcde')), packet(Buffer.alloc(0)), packet(Buffer.alloc(300, 1))];
  const stream = Buffer.concat([
    HEADER,
    INTERFACE,
    ...packets,
    block(0x0bad, Buffer.alloc(4)),
    STATISTICS,
    packet(Buffer.from('x')),
  ]);
  const expected = [
    `header of ${HEADER.length}`,
    `header of ${INTERFACE.length}`,
    'interface 0 web:eth0 (docker), link type 1, 1000000000 units/s',
    'comment web joined',
    ...packets.map(
      (each, index) => `packet of ${[5, 0, 300][index]} on 0: ${Buffer.from(each).toString('hex')}`,
    ),
    'comment db left',
    'statistics of 0: 3 dropped',
    `packet of 1 on 0: ${packet(Buffer.from('x')).toString('hex')}`,
  ];

  it('reads what the service writes', () => {
    expect(read(stream)).toEqual(expected);
  });

  it('reads the same when the stream is divided at any byte', () => {
    for (let at = 0; at <= stream.length; at++) {
      expect(read(stream.subarray(0, at), stream.subarray(at))).toEqual(expected);
    }
  });

  it('reads the same in chunks of any size', () => {
    for (let size = 1; size < 80; size++) {
      const count = Math.ceil(stream.length / size);
      const chunks = Array.from({ length: count }, (_, index) =>
        stream.subarray(index * size, (index + 1) * size),
      );
      expect(read(...chunks)).toEqual(expected);
    }
  });

  it('takes microseconds where the resolution is not given, and knows binary ones', () => {
    const plain = block(INTERFACE_DESCRIPTION_BLOCK, words(1, 0));
    const binary = block(INTERFACE_DESCRIPTION_BLOCK, words(1, 0, 9 | (1 << 16), 0x8a, 0));
    expect(read(HEADER, plain, binary).filter((line) => line.startsWith('interface'))).toEqual([
      'interface 0  (), link type 1, 1000000 units/s',
      'interface 1  (), link type 1, 1024 units/s',
    ]);
  });

  it.each<[string, Buffer, RegExp]>([
    ['text', Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), /block 1 has an invalid length/],
    ['a packet at the beginning', packet(Buffer.from('x')), /block 1 is no section header/],
    ['a section header with another magic', block(SECTION_HEADER_BLOCK, Buffer.alloc(16)), /little-endian/],
    ['a short section header', block(SECTION_HEADER_BLOCK, words(BYTE_ORDER_MAGIC)), /only 16 bytes/],
    ['a second section', Buffer.concat([HEADER, HEADER]), /block 2 begins a second section/],
    ['a length of 0', Buffer.concat([HEADER, block(1, words(1, 0), 0)]), /block 2 has an invalid length, 0/],
    ['a length of 4 GiB', Buffer.concat([HEADER, block(1, words(1, 0), 0xffff_fffc)]), /4294967292 bytes/],
    [
      'a length that is too large',
      Buffer.concat([HEADER, words(6, MAX_BLOCK_BYTES + 4, 0)]),
      /invalid length/,
    ],
    ['an odd length', Buffer.concat([HEADER, block(1, words(1, 0), 21)]), /invalid length, 21/],
    [
      'two different lengths',
      Buffer.concat([HEADER, block(1, words(1, 0), 20, 24)]),
      /two different lengths/,
    ],
    ['an unknown interface', Buffer.concat([HEADER, INTERFACE, packet(Buffer.from('x'), 1)]), /interface 1/],
    [
      'a packet with too few bytes',
      Buffer.concat([HEADER, INTERFACE, packet(Buffer.from('x'), 0, 5)]),
      /shorter/,
    ],
    ['a short packet block', Buffer.concat([HEADER, INTERFACE, block(6, words(0, 0))]), /only 20 bytes/],
    [
      'an option beyond its block',
      Buffer.concat([HEADER, block(1, words(1, 0, 2 | (9 << 16), 0))]),
      /shorter than its options/,
    ],
    [
      'short statistics',
      Buffer.concat([HEADER, INTERFACE, block(INTERFACE_STATISTICS_BLOCK, words(0))]),
      /only 16 bytes/,
    ],
  ])('refuses %s with a message', (_, bytes, message) => {
    expect(() => read(bytes)).toThrow(PcapngError);
    expect(() => read(bytes)).toThrow(message);
    // Byte by byte, too: no block may be read beyond its chunk.
    expect(() => read(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toThrow(message);
  });

  it('refuses more descriptions than a page can hold', () => {
    const large = interfaceDescriptionBlock({
      name: 'x'.repeat(60_000),
      linkType: 1,
      snapshotLength: 0,
      filter: '',
    });
    const many = new Array<Buffer>(200).fill(large);
    expect(() => read(HEADER, ...many)).toThrow(/more interfaces than this page can hold/);
  });
});
