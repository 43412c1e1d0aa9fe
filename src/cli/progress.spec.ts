import { jest } from '@jest/globals';
import { emptyPacketBlock, interfaceDescriptionBlock, sectionHeaderBlock } from '../shared/pcapng/blocks.js';
import { PacketCounter, Progress } from './progress.js';

/** Builds a block in either byte order. */
function block(type: number, body: Buffer, littleEndian: boolean): Buffer {
  const length = 12 + body.length;
  const bytes = Buffer.alloc(length);
  const write = (value: number, offset: number) =>
    littleEndian ? bytes.writeUInt32LE(value, offset) : bytes.writeUInt32BE(value, offset);
  write(type, 0);
  write(length, 4);
  body.copy(bytes, 8);
  write(length, length - 4);
  return bytes;
}

function words(littleEndian: boolean, ...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) =>
    littleEndian ? bytes.writeUInt32LE(value, index * 4) : bytes.writeUInt32BE(value, index * 4),
  );
  return bytes;
}

function enhancedPacket(littleEndian: boolean, length: number): Buffer {
  const padded = Buffer.alloc(Math.ceil(length / 4) * 4, 0x0a);
  return block(6, Buffer.concat([words(littleEndian, 0, 1, 2, length, length), padded]), littleEndian);
}

function stream(littleEndian: boolean): Buffer {
  return Buffer.concat([
    block(0x0a0d0d0a, words(littleEndian, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff), littleEndian),
    block(1, words(littleEndian, 1, 0), littleEndian),
    enhancedPacket(littleEndian, 60),
    // The shortest blocks: one without a body, and a packet without data.
    block(0x0bad, Buffer.alloc(0), littleEndian),
    enhancedPacket(littleEndian, 0),
    block(5, words(littleEndian, 0, 1, 2), littleEndian),
    enhancedPacket(littleEndian, 1501),
    // Simple packet block: cut to 4 bytes of 100.
    block(3, words(littleEndian, 100, 0), littleEndian),
  ]);
}

describe('PacketCounter', () => {
  it.each([
    ['little endian', true],
    ['big endian', false],
  ])('counts packets and their bytes in a %s stream', (_, littleEndian) => {
    const counter = new PacketCounter();
    counter.add(stream(littleEndian));
    expect(counter).toMatchObject({ packets: 4, bytes: 60 + 1501 + 4, malformed: false });
  });

  it('counts the same however the stream is divided into chunks', () => {
    const bytes = stream(true);
    for (let size = 1; size < 70; size += 1) {
      const counter = new PacketCounter();
      for (let offset = 0; offset < bytes.length; offset += size)
        counter.add(bytes.subarray(offset, offset + size));
      expect(counter).toMatchObject({ packets: 4, bytes: 1565, malformed: false });
    }
  });

  it('counts the packets of each target of a set', () => {
    const idb = (name: string) =>
      interfaceDescriptionBlock({
        name,
        linkType: 1,
        snapshotLength: 0,
        filter: '',
        comments: ['x'.repeat(2_000)],
      });
    const packet = (id: number) => emptyPacketBlock(id, 0, '');
    const names = ['web:eth0', 'web:lo', 'a:b:eth0', 'eth0'];
    const counter = new PacketCounter();
    const blocks = [sectionHeaderBlock([], ''), ...names.map(idb), ...[0, 1, 1, 2, 3].map(packet)];
    for (const byte of Buffer.concat(blocks)) counter.add(Buffer.of(byte));
    expect(counter).toMatchObject({ packets: 5, malformed: false });
    expect([...counter.byTarget]).toEqual([
      ['web', 3],
      ['a:b', 1],
    ]);
  });

  it('stops counting when the stream is not valid pcapng', () => {
    const counter = new PacketCounter();
    counter.add(stream(true));
    counter.add(Buffer.from('this is no pcapng at all'));
    counter.add(stream(true));
    expect(counter).toMatchObject({ packets: 4, malformed: true });
  });
});

describe('Progress', () => {
  /** What is printed for one packet of 60 bytes. */
  function printed({ isTTY, isPurpose }: { isTTY: boolean; isPurpose: boolean }): string {
    const counter = new PacketCounter();
    counter.add(stream(true).subarray(0, 28 + 20 + 92));
    let text = '';
    const screen = { isTTY, write: (chunk: string | Uint8Array) => (text += String(chunk)) !== '' };
    const progress = new Progress(counter, screen, isPurpose);
    progress.start();
    progress.stop();
    return text;
  }

  it.each([
    ['rewrites one line of a terminal', true, false, '\r1 packet, 60 bytes \r1 packet, 60 bytes \n'],
    ['prints the total without a terminal, if packets are only counted', false, true, '1 packet, 60 bytes\n'],
    ['prints nothing without a terminal, if packets are written', false, false, ''],
  ])('%s', (_, isTTY, isPurpose, expected) => {
    expect(printed({ isTTY, isPurpose })).toBe(expected);
  });

  it('shows the targets of a set with the most packets first, as far as there is room', () => {
    const counter = new PacketCounter();
    for (const [name, packets] of [
      ['db', 5],
      ['web', 70],
      ['a-long-name-for-which-there-is-no-room', 1],
    ] as const) {
      counter.byTarget.set(name, packets);
    }
    const write = jest.fn(() => true);
    const progress = new Progress(counter, { isTTY: true, columns: 40, write }, true);
    progress.start();
    counter.byTarget.clear();
    progress.stop();
    expect(write.mock.calls).toEqual([
      ['\r0 packets, 0 bytes: web 70, db 5 '],
      ['\r0 packets, 0 bytes               \n'],
    ]);
  });

  it('prints nothing when the capture did not begin', () => {
    const write = jest.fn(() => true);
    new Progress(new PacketCounter(), { isTTY: false, write }, true).stop();
    expect(write).not.toHaveBeenCalled();
  });
});
