import { jest } from '@jest/globals';
import { SystemError } from '../../shared/linux/libc.js';
import { readPcapng } from '../../../test/kit/pcapng.js';
import { sectionHeaderBlock } from '../../shared/pcapng/blocks.js';
import { BlockBuffer } from '../../shared/pcapng/block-buffer.js';
import type { DescribedInterface, InterfaceSource } from './interface-source.js';
import type { CaptureOutput } from './output.js';
import { CaptureStream } from './stream.js';

const BATCH_PACKETS = 10;

let sources = 0;

/** An interface with batches to read; a batch fills one or several buffers, or nothing when a filter rejects it. */
class FakeSource {
  filled = 0;
  readonly ring = { bytes: 16 * 1024 * 1024, blockTimeoutMs: 3 };
  readonly name = { key: `${++sources} eth`, name: 'eth', description: '' };
  readonly drained = jest.fn();
  readonly linkType = 1;
  description?: DescribedInterface;
  paused = false;
  lastRound = false;
  private writing = 0;

  constructor(
    public batches: number,
    private readonly buffersPerBatch: number,
  ) {}

  get halfway(): boolean {
    return this.writing > 0;
  }

  fill(): boolean {
    if (this.batches === 0) return false;
    this.batches--;
    this.writing = this.buffersPerBatch;
    this.filled++;
    return true;
  }

  writeTo(buffer: BlockBuffer): void {
    if (this.writing === 0) return;
    this.writing--;
    buffer.packets += BATCH_PACKETS;
  }

  updateCounters(): void {
    if (this.description) this.description.received = BATCH_PACKETS;
  }

  countLosses(): number {
    return this.batches * BATCH_PACKETS;
  }

  countUnreadAsDropped(): void {
    if (this.description) this.description.dropped += this.countLosses();
  }

  beginLastRound(): void {
    this.lastRound = true;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }
}

function fails(error: Error): () => never {
  return () => {
    throw error;
  };
}

interface FakeOutput {
  blocked: boolean;
  blockedMs?: number;
  flush: () => void;
  append?: (block: Buffer) => void;
}

function streamInto(output: FakeOutput, onDefect = jest.fn()) {
  const whole = Object.assign({ append: () => undefined }, output, { buffer: new BlockBuffer(1_024) });
  Object.defineProperty(whole, 'blocked', { get: () => output.blocked });
  Object.defineProperty(whole, 'flush', { get: () => output.flush });
  const stream = new CaptureStream(whole as unknown as CaptureOutput, onDefect, { filter: '' });
  stream.begin();
  return stream;
}

function add(stream: CaptureStream, ...sources: FakeSource[]): InterfaceSource[] {
  const all = sources as unknown as InterfaceSource[];
  for (const each of all) stream.add(each);
  return all;
}

describe('CaptureStream', () => {
  it('returns to an interface that it had drained before the client stopped reading', () => {
    const output = { blocked: false, flush: () => undefined };
    const stream = streamInto(output);
    const [quick, busy] = [new FakeSource(1, 1), new FakeSource(1, 3)];
    const [quickSource, busySource] = add(stream, quick, busy);
    // Both wait for a pump, paused, as under load; while the second one is read the client stops reading.
    output.blocked = true;
    if (quickSource) stream.onReady(quickSource);
    if (busySource) stream.onReady(busySource);
    output.blocked = false;
    output.flush = () => void (output.blocked = busy.filled > 0);
    stream.pump();
    expect(output.blocked).toBe(true);

    output.flush = () => undefined;
    output.blocked = false;
    quick.batches = 1;
    stream.pump();
    stream.abort();

    expect(quick.batches).toBe(0);
  });

  it('writes statistics for packets that a filter rejects', async () => {
    const append = jest.fn();
    const stream = streamInto({ blocked: false, flush: () => undefined, append });
    const rejected = new FakeSource(3, 0);
    const [source] = add(stream, rejected);

    if (source) stream.onReady(source);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    stream.abort();

    expect(append).toHaveBeenCalledTimes(2); // with the interface description block
  });

  it('describes interfaces that join while the client does not read when there is room again', () => {
    const append = jest.fn();
    const output = { blocked: true, flush: () => undefined, append };
    const stream = streamInto(output);
    for (let i = 0; i < 1_000; i++) {
      const [source] = add(stream, new FakeSource(0, 0));
      if (i > 0 && source) stream.remove(source);
    }
    expect(append).not.toHaveBeenCalled();
    output.blocked = false;
    stream.pump();
    stream.abort();
    expect(append.mock.calls.length).toBeGreaterThan(0);
  });

  it('gives back the ring of an interface that leaves while the client does not read, and counts its packets', async () => {
    const output = { blocked: false, blockedMs: 10_000, flush: () => undefined };
    const stream = streamInto(output);
    const source = new FakeSource(3, 0);
    const [leaving] = add(stream, source);
    output.blocked = true;
    if (leaving) stream.remove(leaving);
    expect(source.drained).not.toHaveBeenCalled();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(source.drained).toHaveBeenCalledTimes(1);
    expect(stream.dropped).toBe(3 * BATCH_PACKETS);
    stream.abort();
  });

  it('writes comments with the next description or statistics, many in several blocks, and not without a limit', async () => {
    const written: Buffer[] = [];
    const output = { blocked: true, flush: () => undefined, append: (block: Buffer) => written.push(block) };
    const stream = streamInto(output);
    for (let i = 1; i <= 1_005; i++) stream.comment(`comment ${i}`);
    output.blocked = false;
    add(stream, new FakeSource(0, 0));
    stream.comment('the last one');
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    stream.abort();

    const blocks = readPcapng(Buffer.concat([sectionHeaderBlock([], ''), ...written])).slice(1);
    const comments = blocks.flatMap((block) => ('comments' in block ? block.comments : []));
    expect(blocks.map(({ kind }) => kind).slice(0, 2)).toEqual(['interface', 'statistics']);
    expect(comments.slice(0, 2)).toEqual(['comment 1', 'comment 2']);
    expect(comments.slice(-3)).toEqual([
      'comment 1000',
      'the last one',
      expect.stringMatching(/^5 more changes/),
    ]);
  });

  it('takes only failures of the kernel and of libpcap for the end of an interface', async () => {
    const defects = jest.fn();
    const stream = streamInto({ blocked: false, flush: () => undefined }, defects);
    const gone = Object.assign(new FakeSource(1, 0), { fill: fails(new SystemError('recv', 100)) });
    const broken = Object.assign(new FakeSource(1, 0), { fill: fails(new RangeError('a defect')) });
    for (const source of add(stream, gone, broken)) stream.onReady(source);
    await new Promise((resolve) => setImmediate(resolve));
    stream.abort();
    for (const { drained } of [gone, broken]) expect(drained).toHaveBeenCalledTimes(1);
    expect(defects.mock.calls).toEqual([[new RangeError('a defect')]]);
  });

  it('lets other captures proceed while a filter rejects everything', async () => {
    const stream = streamInto({ blocked: false, flush: () => undefined });
    const rejected = new FakeSource(20_000_000, 0);
    const [source] = add(stream, rejected);

    if (source) stream.onReady(source);
    await new Promise((resolve) => setImmediate(resolve));
    stream.abort();

    expect(rejected.batches).toBeGreaterThan(0);
  });
});
