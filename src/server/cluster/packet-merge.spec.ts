import { BlockBuffer, PacketTimestamp } from '../../shared/pcapng/block-buffer.js';
import { PACKET_INTERFACE_OFFSET, TOTAL_LENGTH_OFFSET } from '../../shared/pcapng/format.js';
import { BlockQueue, PacketMerge, Slab } from './packet-merge.js';

/** A message with one packet per length; all packets have the interface id. */
function messageOf(interfaceId: number, lengths: readonly number[]): Buffer {
  const buffer = new BlockBuffer(256 * 1024);
  for (const length of lengths) {
    buffer.length += buffer.framePacket(buffer.length, interfaceId, new PacketTimestamp(), length, length);
  }
  return Buffer.from(buffer.filled());
}

/** The interface ids and lengths of the blocks in a buffer. */
function blocksIn(buffer: BlockBuffer): [id: number, length: number][] {
  const bytes = buffer.filled();
  const blocks: [number, number][] = [];
  for (let at = 0, length; at < bytes.length; at += length) {
    length = bytes.readUInt32LE(at + TOTAL_LENGTH_OFFSET);
    blocks.push([bytes.readUInt32LE(at + PACKET_INTERFACE_OFFSET), length]);
  }
  return blocks;
}

/** Puts the packets of a message into a queue, with these times. */
function pushAll(
  merge: PacketMerge,
  queue: BlockQueue,
  id: number,
  times: readonly number[],
  length = 60,
): void {
  const message = messageOf(
    id,
    times.map(() => length),
  );
  const blockBytes = message.length / times.length;
  const slab = merge.store(message);
  const begin = slab.length - message.length;
  for (const [index, time] of times.entries())
    merge.push(queue, time, slab, begin + index * blockBytes, blockBytes);
}

describe('PacketMerge', () => {
  it('takes its time from nobody when the packets of a node go back in time', () => {
    const [merge, queue] = [new PacketMerge(), new BlockQueue()];
    const slab = new Slab(Buffer.alloc(32));
    const begin = performance.now();
    for (let time = 100_000; time > 0; time--) merge.push(queue, time, slab, 0, 32);
    expect(performance.now() - begin).toBeLessThan(1_000); // it was a minute
  });

  it('puts packets of several queues in order of time, and leaves what is not due', () => {
    const merge = new PacketMerge();
    const queues = [new BlockQueue(), new BlockQueue(), new BlockQueue()];
    pushAll(merge, queues[0]!, 0, [1, 5, 6, 20]);
    pushAll(merge, queues[1]!, 1, [2, 3, 4]);
    pushAll(merge, queues[2]!, 2, [0, 7, 30]);
    const out = new BlockBuffer(4096);
    expect(merge.moveTo(out, 10)).toBe(false);
    expect(blocksIn(out).map(([id]) => id)).toEqual([2, 0, 1, 1, 1, 0, 0, 2]);
    expect(out.packets).toBe(8);
    expect(out.packetBytes).toBe(8 * 60);
    expect(merge.time).toBe(20);
    out.clear();
    expect(merge.moveTo(out, Infinity)).toBe(false);
    expect(blocksIn(out).map(([id]) => id)).toEqual([0, 2]);
    expect(merge.heldBytes).toBe(0);
    expect(merge.time).toBe(Infinity);
  });

  it('puts a packet that comes late in its place', () => {
    const merge = new PacketMerge();
    const queue = new BlockQueue();
    pushAll(merge, queue, 0, [10, 20, 30], 60);
    pushAll(merge, queue, 0, [5, 15], 100);
    const out = new BlockBuffer(4096);
    merge.moveTo(out, Infinity);
    expect(blocksIn(out).map(([, length]) => length)).toEqual([132, 92, 132, 92, 92]);
  });

  it('stops where the buffer is full and goes on with the next one', () => {
    const merge = new PacketMerge();
    const queues = [new BlockQueue(), new BlockQueue()];
    pushAll(merge, queues[0]!, 0, [1, 2, 3, 4], 68);
    pushAll(merge, queues[1]!, 1, [1.5, 2.5], 68);
    const out = new BlockBuffer(250);
    const ids: number[] = [];
    for (let full = true; full;) {
      full = merge.moveTo(out, Infinity);
      ids.push(...blocksIn(out).map(([id]) => id));
      out.clear();
    }
    expect(ids).toEqual([0, 1, 0, 1, 0, 0]);
  });

  it('gives the same as a sort, for random times', () => {
    const merge = new PacketMerge();
    const queues = Array.from({ length: 20 }, () => new BlockQueue());
    const expected: [number, number][] = [];
    for (let round = 0; round < 200; round++) {
      const id = Math.floor(Math.random() * queues.length);
      const times = Array.from({ length: 5 }, () => Math.random() * 100 + round);
      pushAll(merge, queues[id]!, id, times);
      expected.push(...times.map((time): [number, number] => [time, id]));
    }
    const out = new BlockBuffer(1024 * 1024);
    merge.moveTo(out, 100);
    const first = blocksIn(out).length;
    merge.moveTo(out, Infinity);
    expect(first).toBe(expected.filter(([time]) => time <= 100).length);
    expect(blocksIn(out).map(([id]) => id)).toEqual(expected.sort(([a], [b]) => a - b).map(([, id]) => id));
  });
});
