import { jest } from '@jest/globals';
import type { CaptureOutput } from './capture-output.js';
import { CaptureStream } from './capture-stream.js';
import type { InterfaceSource } from './interface-source.js';

const BATCH_PACKETS = 10;

/** An interface with batches to take, and the reader's side of its readiness; a batch fills a buffer, or nothing of it. */
class FakeSource {
  packets = 0;
  readonly packetBytes = 0;
  readonly ring = { bytes: 16 * 1024 * 1024, blockTimeoutMs: 3 };
  paused = false;
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
    if (this.writing > 0) this.packets += BATCH_PACKETS;
    return true;
  }

  writeTo(): void {
    if (this.writing > 0) this.writing--;
  }

  countersNow(): { id: number; received: number; dropped: number; told: number } {
    return { id: 0, received: BATCH_PACKETS, dropped: 0, told: 0 };
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }
}

function streamInto(output: { blocked: boolean; flush(): void; append?(): void }): CaptureStream {
  const stream = new CaptureStream(output as unknown as CaptureOutput, () => undefined);
  stream.begin();
  return stream;
}

function add(stream: CaptureStream, ...sources: FakeSource[]): InterfaceSource[] {
  const all = sources as unknown as InterfaceSource[];
  for (const each of all) stream.add(each);
  return all;
}

describe('CaptureStream', () => {
  it('comes back to an interface that it had emptied before the client stopped reading', () => {
    const output = { blocked: false, flush: () => undefined };
    const stream = streamInto(output);
    const [quick, busy] = [new FakeSource(1, 1), new FakeSource(1, 3)];
    const [quickSource, busySource] = add(stream, quick, busy);
    // Both are waiting for a pump, paused, as under load; in the midst of the second one the client stops reading.
    output.blocked = true;
    if (quickSource) stream.onReady(quickSource);
    if (busySource) stream.onReady(busySource);
    output.blocked = false;
    output.flush = () => void (output.blocked = busy.packets > 0);
    stream.pump();
    expect(output.blocked).toBe(true);

    output.flush = () => undefined;
    output.blocked = false;
    quick.batches = 1;
    stream.pump();
    stream.abort();

    expect(quick.batches).toBe(0);
  });

  it('tells the statistics of packets of which a filter leaves nothing', async () => {
    const append = jest.fn();
    const stream = streamInto({ blocked: false, flush: () => undefined, append });
    const rejected = new FakeSource(3, 0);
    const [source] = add(stream, rejected);

    if (source) stream.onReady(source);
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    stream.abort();

    expect(append).toHaveBeenCalledTimes(1);
  });

  it('lets others have their turn while a filter leaves nothing of what comes in', async () => {
    const stream = streamInto({ blocked: false, flush: () => undefined });
    const rejected = new FakeSource(20_000_000, 0);
    const [source] = add(stream, rejected);

    if (source) stream.onReady(source);
    await new Promise((resolve) => setImmediate(resolve));
    stream.abort();

    expect(rejected.batches).toBeGreaterThan(0);
  });
});
