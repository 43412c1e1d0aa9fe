import { interfaceDescriptionBlock, sectionHeaderBlock } from '../../shared/pcapng/blocks.js';
import { packetsOf, readPcapng } from '../../../test/kit/pcapng.js';
import { PacketWindow, pcapngFile } from './packet-window.js';

const MIB = 1024 * 1024;

/** An enhanced packet block whose data are its number, repeated. */
function blockOf(number: number, words: number, padding = 0): Uint8Array {
  const block = Buffer.alloc(32 + 4 * words);
  block.writeUInt32LE(6, 0);
  block.writeUInt32LE(block.length, 4);
  block.writeUInt32LE(number >>> 1, 12);
  block.writeUInt32LE(number, 16);
  block.writeUInt32LE(4 * words - padding, 20);
  block.writeUInt32LE(4 * words + 1000, 24);
  for (let word = 0; word < words; word++) block.writeUInt32LE(number, 28 + 4 * word);
  block.writeUInt32LE(block.length, block.length - 4);
  return block;
}

function expectIntact(window: PacketWindow, expected: (number: number) => Uint8Array): void {
  let bytes = 0;
  for (let number = window.first; number < window.next; number++) {
    expect(Buffer.compare(window.block(number), expected(number))).toBe(0);
    bytes += window.block(number).length;
  }
  expect(window.bytes).toBe(bytes);
}

describe('PacketWindow', () => {
  it('keeps the newest packets up to the number allowed', () => {
    const window = new PacketWindow(10);
    for (let number = 1; number <= 25; number++) window.push(blockOf(number, 3));
    expect(window).toMatchObject({ first: 16, next: 26, count: 10 });
    expectIntact(window, (number) => blockOf(number, 3));
    expect(window.has(15)).toBe(false);
    expect(window.has(16)).toBe(true);
    expect(window.has(26)).toBe(false);
  });

  it('keeps the newest packets up to the bytes allowed, whatever their sizes', () => {
    const window = new PacketWindow(10_000, MIB);
    const wordsOf = (number: number) => (number * 7919) % 60_000;
    for (let number = 1; number <= 400; number++) {
      window.push(blockOf(number, wordsOf(number)));
      expect(window.bytes).toBeLessThanOrEqual(MIB);
      expect(window.count).toBeGreaterThan(0);
    }
    expect(window.count).toBeGreaterThan(3);
    expectIntact(window, (number) => blockOf(number, wordsOf(number)));
  });

  it('holds the longest block alone', () => {
    const window = new PacketWindow(10, MIB);
    const words = (MIB - 32) / 4;
    for (let number = 1; number <= 3; number++) window.push(blockOf(number, words));
    expect(window).toMatchObject({ first: 3, next: 4, bytes: MIB });
    window.push(blockOf(4, 1));
    expectIntact(window, (number) => blockOf(number, 1));
    expect(window).toMatchObject({ first: 4, next: 5 });
  });

  it('tells what the block of a packet says', () => {
    const window = new PacketWindow();
    window.push(blockOf(0xffff_fff0, 2, 3));
    const expected = { interfaceId: 0, capturedLength: 5, originalLength: 1008 };
    expect(window.facts(1)).toEqual({ ...expected, timestamp: (0x7fff_fff8n << 32n) | 0xffff_fff0n });
    expect(window.data(1)).toHaveLength(5);
  });

  it('keeps the numbers when it is cleared', () => {
    const window = new PacketWindow();
    for (let number = 1; number <= 3; number++) window.push(blockOf(number, 1));
    window.clear();
    expect(window).toMatchObject({ first: 4, next: 4, count: 0, bytes: 0 });
    window.push(blockOf(4, 1));
    expectIntact(window, (number) => blockOf(number, 1));
  });

  it('catches up with another one, across any gap', () => {
    const source = new PacketWindow(100, MIB);
    const copy = new PacketWindow(100, MIB);
    for (let number = 1; number <= 1000; number++) {
      source.push(blockOf(number, number % 50));
      if (number % 170 === 0 || number > 990) copy.catchUp(source);
    }
    expect(copy).toMatchObject({ first: source.first, next: 1001, bytes: source.bytes });
    expectIntact(copy, (number) => blockOf(number, number % 50));
    source.clear();
    copy.catchUp(source);
    expect(copy).toMatchObject({ first: 1001, next: 1001, count: 0 });
  });

  it('becomes a file with the same packets', () => {
    const header = Buffer.concat([
      sectionHeaderBlock([], 'packetflix'),
      interfaceDescriptionBlock({ name: 'eth0', linkType: 1, snapshotLength: 0, filter: '' }),
    ]);
    const window = new PacketWindow(5);
    for (let number = 1; number <= 8; number++) window.push(blockOf(number, number, 1));
    const packets = packetsOf(readPcapng(Buffer.from(pcapngFile(header, window))));
    expect(packets.map(({ data }) => data.length)).toEqual([15, 19, 23, 27, 31]);
    expect(packets.map(({ data }) => data.readUInt32LE(0))).toEqual([4, 5, 6, 7, 8]);
  });
});
