import { BlockBuffer } from '../../shared/pcapng/block-buffer.js';
import {
  interfaceDescriptionBlock,
  interfaceStatisticsBlock,
  sectionHeaderBlock,
  type InterfaceCounters,
  type InterfaceDescription,
} from '../../shared/pcapng/blocks.js';
import { CaptureLimiter, type Delivered } from '../../shared/pcapng/capture-limiter.js';
import { PACKET_INTERFACE_OFFSET, PACKET_TIMESTAMP_OFFSET } from '../../shared/pcapng/format.js';
import type { StreamSpec } from '../../shared/protocol/capture-spec.js';
import { SERVICE_NAME, SERVICE_VERSION } from '../../shared/service-version.js';
import { MAX_BLOCK_BYTES } from './node-stream.js';
import { BlockQueue, PacketMerge, Slab } from './packet-merge.js';

/** Memory of the packets that wait; while there are more, the stream is full. */
const MAX_HELD_BYTES = 16 * 1024 * 1024;
/** Then there is room again. */
const LOW_HELD_BYTES = MAX_HELD_BYTES / 2;
/** Descriptions of interfaces and statistics that wait; while there are more, the stream is full. */
const MAX_WAITING_OTHERS = 1_000;
/** Length of a chunk, unless one block needs more. */
const CHUNK_BYTES = 192 * 1024;
/** Packets are delivered at most this often, in ms, if they wait for others anyway. */
export const TICK_MS = 20;
const COMMENTS_WITHIN_MS = 1_000;
export const MAX_COMMENTS_PER_BLOCK = 16;
const MAX_WAITING_COMMENTS = 1_000;

const NANOSECONDS = 1e6;
const WORD = 2 ** 32;

/** An interface of the stream. */
export interface MergedInterface {
  readonly id: number;
  readonly queue: BlockQueue;
  /** Of the captures of this interface before the one that runs. */
  receivedBefore: number;
  droppedBefore: number;
  /** Of the capture that runs, as the node told last. */
  received: number;
  dropped: number;
  /** Packets since then. */
  unreported: number;
}

export interface MergedStreamObserver {
  /** No more packets should be added; what is added nevertheless is kept. */
  onFull(): void;
  /** There is room again. */
  onRoom(): void;
  /** A limit of the capture is reached. @param message for users */
  onLimit(message: string): void;
  /** The last chunk has been read, or the reader has left. */
  onRead(): void;
}

/**
 * One section that is made of the packets of many captures, in order of time. A packet waits for earlier ones of others for `windowMs`,
 * and for that time longer when its clock is ahead.
 */
export class MergedStream {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** How long packets wait, in ms; 0: they have nothing to wait for. */
  windowMs = 0;
  private readonly merge = new PacketMerge();
  private readonly buffer = new BlockBuffer(MAX_BLOCK_BYTES);
  private readonly delivered: Delivered = { packets: 0, packetBytes: 0, streamBytes: 0 };
  private readonly limiter: CaptureLimiter;
  private readonly interfaces = new Set<MergedInterface>();
  /** For comments while there are no other blocks. */
  private first?: MergedInterface;
  private descriptions = 0;
  /** Blocks that are not packets, before all packets; made when there is room for them. */
  private others: (() => Buffer)[] = [];
  /** Index of the next one. */
  private nextOther = 0;
  private other?: Buffer | undefined;
  private comments: string[] = [];
  private commentTimer?: NodeJS.Timeout | undefined;
  private isFull = false;
  private isOver = false;
  /** Called when there is something to deliver that does not wait for its time. */
  private wake?: (() => void) | undefined;
  /** Whether nothing waits for its time. */
  private isIdle = true;
  private lastChunkMs = -Infinity;
  /** No block of what is being read counts as later. */
  private latestTime = 0;
  /** Times are in ns since then: as a number, nanoseconds since 1970 would lose digits. */
  private readonly originMs = Date.now();
  private readonly originHigh: number;
  private readonly originLow: number;

  /** @param aheadMs by how much the clock that counts is ahead of this one, in ms */
  constructor(
    private readonly spec: StreamSpec,
    private readonly aheadMs: () => number,
    private readonly observer: MergedStreamObserver,
  ) {
    const origin = BigInt(this.originMs) * BigInt(NANOSECONDS);
    this.originHigh = Number(origin >> 32n);
    this.originLow = Number(origin & 0xffff_ffffn);
    this.buffer.usualBytes = CHUNK_BYTES;
    const limits = { ...(spec.limits && { limits: spec.limits }) }; // nodes shorten the packets
    this.limiter = new CaptureLimiter(limits, (message) => this.observer.onLimit(message));
    this.others.push(() => sectionHeaderBlock(spec.sectionComments, `${SERVICE_NAME} ${SERVICE_VERSION}`));
    this.chunks = this.produce();
  }

  /** Starts the clock of the duration limit. */
  begin(): void {
    this.limiter.begin();
  }

  /** Adds an interface. @param description its comments and those that wait are in its block */
  addInterface(description: InterfaceDescription): MergedInterface {
    const added: MergedInterface = {
      id: this.descriptions++,
      queue: new BlockQueue(),
      receivedBefore: 0,
      droppedBefore: 0,
      received: 0,
      dropped: 0,
      unreported: 0,
    };
    this.interfaces.add(added);
    this.first ??= added;
    const { filter } = this.spec;
    const comments = [...this.takeComments(), ...(description.comments ?? [])];
    this.others.push(() => interfaceDescriptionBlock({ ...description, filter, comments }));
    if (this.others.length - this.nextOther > MAX_WAITING_OTHERS) this.becomeFull();
    this.wake?.();
    return added;
  }

  /** The capture of an interface begins anew: its node counts from 0 again. */
  continueInterface(known: MergedInterface): void {
    known.receivedBefore += known.received + known.unreported;
    known.droppedBefore += known.dropped;
    known.received = known.dropped = known.unreported = 0;
  }

  /** Nothing will be added to it any more. */
  removeInterface(known: MergedInterface): void {
    if (known.unreported > 0) this.addStatistics(known, this.countersOf(known));
    this.interfaces.delete(known);
  }

  /** Copies bytes to where their packets can wait. @returns the slab, whose last bytes they are */
  store(bytes: Buffer): Slab {
    this.latestTime = this.now + this.windowNs;
    return this.merge.store(bytes);
  }

  /** Adds a packet of a slab that `store` has just returned. */
  addPacket(to: MergedInterface, slab: Slab, offset: number, length: number): void {
    to.unreported++;
    slab.bytes.writeUInt32LE(to.id, offset + PACKET_INTERFACE_OFFSET);
    this.hold(to, slab, offset, length);
  }

  /** Adds what the node has counted since the capture of the interface began. */
  addStatistics(
    of: MergedInterface,
    { received, dropped }: InterfaceCounters,
    comments: readonly string[] = [],
  ): void {
    of.received = received;
    of.dropped = dropped;
    of.unreported = 0;
    const block = this.statisticsOf(of, comments);
    this.latestTime = this.now + this.windowNs;
    this.hold(of, new Slab(block), 0, block.length);
  }

  /** Writes a comment with the next block that can have one, or within a second if there is an interface. */
  comment(text: string): void {
    if (this.comments.length < MAX_WAITING_COMMENTS) this.comments.push(text);
    this.commentTimer ??= setTimeout(() => this.flushComments(), COMMENTS_WITHIN_MS);
  }

  /** Ends after what has been added, and the statistics. */
  end(): void {
    this.isOver = true;
    this.limiter.close();
    clearTimeout(this.commentTimer);
    this.wake?.();
  }

  /** Ends at once. */
  abort(): void {
    this.end();
    this.merge.clear();
    this.others = [];
    this.nextOther = 0;
    this.other = undefined;
  }

  /** Puts a block where its time says, but not further ahead than the window: a clock may be wrong, or a node may lie. */
  private hold(of: MergedInterface, slab: Slab, offset: number, length: number): void {
    const high = slab.bytes.readUInt32LE(offset + PACKET_TIMESTAMP_OFFSET);
    const low = slab.bytes.readUInt32LE(offset + PACKET_TIMESTAMP_OFFSET + 4);
    const time = (high - this.originHigh) * WORD + (low - this.originLow);
    this.merge.push(of.queue, Math.min(time, this.latestTime), slab, offset, length);
    if (this.merge.heldBytes > MAX_HELD_BYTES) this.becomeFull();
    if (this.isIdle) this.wake?.();
  }

  private statisticsOf(of: MergedInterface, comments: readonly string[] = []): Buffer {
    const { received, dropped } = this.countersOf(of);
    const total = { received: of.receivedBefore + received, dropped: of.droppedBefore + dropped };
    return interfaceStatisticsBlock(of.id, Date.now(), total, [...this.takeComments(), ...comments]);
  }

  private countersOf({ received, dropped, unreported }: MergedInterface): InterfaceCounters {
    return { received: received + unreported, dropped };
  }

  private flushComments(): void {
    this.commentTimer = undefined;
    const { first } = this;
    if (!first || this.isOver) return; // they go with the first interface
    while (this.comments.length > 0) {
      const block = this.statisticsOf(first);
      this.others.push(() => block);
    }
    this.wake?.();
  }

  private takeComments(): string[] {
    return this.comments.splice(0, MAX_COMMENTS_PER_BLOCK);
  }

  /** Time by the clock that counts, in ns since the origin. */
  private get now(): number {
    return (Date.now() - this.originMs + this.aheadMs()) * NANOSECONDS;
  }

  private get windowNs(): number {
    return this.windowMs * NANOSECONDS;
  }

  private becomeFull(): void {
    if (this.isFull) return;
    this.isFull = true;
    this.observer.onFull();
    this.wake?.();
  }

  private async *produce(): AsyncGenerator<Uint8Array, void> {
    const { buffer, delivered } = this;
    try {
      for (;;) {
        this.fill();
        this.limiter.apply(buffer, delivered);
        delivered.packets += buffer.packets;
        delivered.packetBytes += buffer.packetBytes;
        delivered.streamBytes += buffer.length;
        if (buffer.length > 0) {
          this.lastChunkMs = performance.now();
          yield buffer.filled();
          buffer.clear();
          this.makeRoom();
        } else if (this.isOver && this.others.length === 0) {
          return;
        } else {
          await this.output();
        }
      }
    } finally {
      this.abort();
      this.observer.onRead();
    }
  }

  /** Fills the buffer with what is due. */
  private fill(): void {
    const { buffer } = this;
    for (;;) {
      this.other ??= this.others[this.nextOther]?.();
      if (!this.other) break;
      if (!buffer.hasRoomFor(this.other.length)) return;
      buffer.append(this.other);
      this.other = undefined;
      this.nextOther++;
    }
    this.others = [];
    this.nextOther = 0;
    const isDue = this.isOver || this.merge.heldBytes > MAX_HELD_BYTES;
    const isBufferFull = this.merge.moveTo(buffer, isDue ? Infinity : this.now - this.windowNs);
    if (isBufferFull || !this.isOver || this.merge.heldBytes > 0) return;
    for (const each of this.interfaces) {
      if (each.unreported === 0) continue;
      const block = this.statisticsOf(each);
      this.others.push(() => block);
      each.received += each.unreported;
      each.unreported = 0;
    }
  }

  /** Waits until there may be something to deliver. */
  private async output(): Promise<void> {
    if (this.others.length > 0 || this.isOver) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const dueMs = (this.merge.time + this.windowNs - this.now) / NANOSECONDS;
    const tickMs = this.windowMs > 0 ? this.lastChunkMs + TICK_MS - performance.now() : 0;
    this.isIdle = dueMs === Infinity;
    const timer = this.isIdle ? undefined : setTimeout(resolve, Math.max(dueMs, tickMs, 0));
    this.wake = resolve;
    await promise;
    clearTimeout(timer);
    this.wake = undefined;
  }

  private makeRoom(): void {
    if (!this.isFull || this.others.length > 0 || this.merge.heldBytes > LOW_HELD_BYTES) return;
    this.isFull = false;
    this.observer.onRoom();
  }
}
