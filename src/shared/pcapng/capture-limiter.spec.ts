import { setImmediate as nextTurn } from 'node:timers/promises';
import { interfaceDescriptionBlock, interfaceStatisticsBlock } from './blocks.js';
import { BlockBuffer, PacketTimestamp } from './block-buffer.js';
import { PACKET_DATA_OFFSET } from './format.js';
import type { CaptureSpec } from '../protocol/capture-spec.js';
import { CaptureLimiter, type Delivered } from './capture-limiter.js';

const INTERFACE = interfaceDescriptionBlock({ name: 'eth0', linkType: 1, snapshotLength: 96, filter: '' });
const STATISTICS = interfaceStatisticsBlock(0, 1, { received: 1, dropped: 0 });
/** An enhanced packet block of a packet of 60 bytes. */
const PACKET_BLOCK_BYTES = 32 + 60;

/** A limiter, the reasons that it gave, and a function that delivers a buffer as CaptureOutput does. */
function limiter(spec: Pick<CaptureSpec, 'limits' | 'snapshotLength'>) {
  const reasons: string[] = [];
  const subject = new CaptureLimiter(spec, (reason) => reasons.push(reason));
  const delivered: Delivered = { packets: 0, packetBytes: 0, streamBytes: 0 };
  const deliver = (buffer: BlockBuffer): void => {
    subject.apply(buffer, delivered);
    delivered.packets += buffer.packets;
    delivered.packetBytes += buffer.packetBytes;
    delivered.streamBytes += buffer.length;
  };
  return { limiter: subject, reasons, delivered, deliver };
}

/** A buffer with these blocks: packets, by their lengths, and others. */
function bufferOf(...blocks: (number | Buffer)[]): BlockBuffer {
  const buffer = new BlockBuffer(64 * 1024);
  for (const block of blocks) {
    if (typeof block === 'number') packet(block, buffer);
    else buffer.append(block);
  }
  return buffer;
}

/** Bytes 1, 2, 3, ... */
function packet(length: number, buffer: BlockBuffer): void {
  const data = buffer.length + PACKET_DATA_OFFSET;
  for (let at = 0; at < length; at++) buffer.bytes[data + at] = at + 1;
  buffer.length += buffer.framePacket(buffer.length, 0, new PacketTimestamp(), length, length);
}

describe('CaptureLimiter', () => {
  it('does not change a stream without limits', async () => {
    const { limiter: subject, reasons, delivered, deliver } = limiter({});
    const buffer = bufferOf(INTERFACE, 60, 1_500, STATISTICS);
    const before = Buffer.from(buffer.filled());
    subject.begin();
    deliver(buffer);
    await nextTurn();
    expect(buffer.filled().equals(before)).toBe(true);
    expect(delivered).toEqual({ packets: 2, packetBytes: 1_560, streamBytes: before.length });
    expect(reasons).toEqual([]);
  });

  it('delivers the maximum number of packets, over all buffers, and other blocks without limit', async () => {
    const { reasons, delivered, deliver } = limiter({ limits: { packets: { max: 3, setBy: 'request' } } });
    const buffers = [bufferOf(INTERFACE, 60, 60), bufferOf(60, 60, INTERFACE, 60, STATISTICS), bufferOf(60)];
    for (const buffer of buffers) deliver(buffer);
    expect(buffers.map((buffer) => [...buffer.filled()])).toEqual([
      [...bufferOf(INTERFACE, 60, 60).filled()],
      [...bufferOf(60, INTERFACE, STATISTICS).filled()],
      [],
    ]);
    expect(reasons).toEqual([]); // not in the middle of a write
    await nextTurn();
    expect(reasons).toEqual(['the limit of 3 packets was reached: max-packets of the request']);
    expect(delivered).toMatchObject({ packets: 3, packetBytes: 180 });
  });

  it('counts every byte of the stream, and leaves out packets that exceed the limit', async () => {
    const max = INTERFACE.length + STATISTICS.length + 2 * PACKET_BLOCK_BYTES + 40;
    const { reasons, deliver } = limiter({ limits: { bytes: { max, setBy: 'service' } } });
    const buffer = bufferOf(INTERFACE, 60, STATISTICS, 60);
    deliver(buffer);
    await nextTurn();
    expect(buffer.length).toBe(max - 40);
    expect(reasons).toEqual([]);
    const rest = bufferOf(60, 4, STATISTICS);
    deliver(rest);
    await nextTurn();
    expect(rest.filled()).toEqual(STATISTICS);
    expect(reasons).toEqual([`the limit of ${max} bytes was reached: --max-bytes of the service`]);
  });

  it('reaches the limit with the last byte, without waiting for another packet', async () => {
    const max = INTERFACE.length + PACKET_BLOCK_BYTES;
    const { reasons, deliver } = limiter({ limits: { bytes: { max, setBy: 'request' } } });
    const buffer = bufferOf(INTERFACE, 60);
    deliver(buffer);
    await nextTurn();
    expect(buffer.length).toBe(max);
    expect(reasons).toHaveLength(1);
  });

  it.each([59, 58, 57, 56, 1])(
    'truncates packets to %i bytes and keeps their original length',
    (snapshotLength) => {
      const { deliver } = limiter({ snapshotLength });
      const buffer = bufferOf(INTERFACE, 60, 1, STATISTICS, 1_500);
      deliver(buffer);
      const expected = bufferOf(INTERFACE, snapshotLength, 1, STATISTICS, snapshotLength);
      const first = INTERFACE.length + 24;
      const last = expected.length - (32 + ((snapshotLength + 3) & ~3)) + 24;
      expected.bytes.writeUInt32LE(60, first);
      expected.bytes.writeUInt32LE(1_500, last);
      expect(buffer.filled()).toEqual(expected.filled());
    },
  );

  it('counts bytes after truncation', async () => {
    const max = 32 + 4;
    const { reasons, delivered, deliver } = limiter({
      snapshotLength: 3,
      limits: { bytes: { max, setBy: 'request' } },
    });
    const buffer = bufferOf(1_500);
    deliver(buffer);
    await nextTurn();
    expect(buffer.length).toBe(max);
    expect(reasons).toHaveLength(1);
    expect(delivered.packetBytes).toBe(3);
  });

  it('ends after its duration, which begins with begin(), unless it was closed before', async () => {
    const limits = { duration: { max: 1, setBy: 'request' } } as const;
    const [running, closed, waiting] = [limiter({ limits }), limiter({ limits }), limiter({ limits })];
    running.limiter.begin();
    closed.limiter.begin();
    closed.limiter.close();
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(running.reasons).toEqual(['the limit of 1 second was reached: duration of the request']);
    expect(closed.reasons).toEqual([]);
    expect(waiting.reasons).toEqual([]);
  });
});
