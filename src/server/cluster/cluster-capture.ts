import { BlockBuffer } from '../../shared/pcapng/block-buffer.js';
import {
  interfaceDescriptionBlock,
  interfaceStatisticsBlock,
  sectionHeaderBlock,
  type InterfaceDescription,
  type Statistics,
} from '../../shared/pcapng/blocks.js';
import { CaptureLimiter, type Delivered } from '../../shared/pcapng/capture-limiter.js';
import { PACKET_INTERFACE_OFFSET, PACKET_TIMESTAMP_OFFSET } from '../../shared/pcapng/format.js';
import { printable } from '../../shared/printable.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { SetMember, StreamSpec } from '../../shared/protocol/capture-spec.js';
import type { LeaveCode } from '../../shared/protocol/protocol.js';
import { SERVICE_NAME, SERVICE_VERSION } from '../../shared/service-version.js';
import type { CaptureEnd, SetCapture, SetObserver } from '../capture/capture-provider.js';
import type { ClusterNode, ClusterNodes } from './cluster-nodes.js';
import type { NodeSocketRequest } from './node-socket.js';
import { MAX_BLOCK_BYTES, NodeStream, type NodeStreamEnd } from './node-stream.js';
import { BlockQueue, PacketMerge, Slab } from './packet-merge.js';

/** Blocks that wait, of all nodes; the nodes are not read while there are more. */
const MAX_HELD_BYTES = 16 * 1024 * 1024;
/** Then they are read again. */
const LOW_HELD_BYTES = MAX_HELD_BYTES / 2;
/** Length of a chunk, unless one block needs more. */
const CHUNK_BYTES = 192 * 1024;
/** Packets are delivered at most this often, in ms, unless the capture is of one namespace. */
const TICK_MS = 20;
const COMMENTS_WITHIN_MS = 1_000;
const MAX_COMMENTS_PER_BLOCK = 16;
const MAX_WAITING_COMMENTS = 1_000;
/** Descriptions of interfaces and statistics; the nodes are not read while there are more. */
const MAX_WAITING_OTHERS = 1_000;
const MAX_TEXT_CHARACTERS = 512;
/** Of all nodes and all times. */
const MAX_INTERFACES = 65_536;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 5_000;
/** Clocks that agree better than this are not mentioned, in ms. */
const CLOCK_TOLERANCE_MS = 5;

const NANOSECONDS = 1e6;
const WORD = 2 ** 32;

/** What a node says when a target ended while the connection was broken. */
const TARGET_HAS_GONE: ReadonlySet<LeaveCode> = new Set(['no-such-namespace', 'stale-reference']);

/** What to request for the capture of a namespace at its node. */
export type RequestStream = (member: SetMember, node: ClusterNode) => NodeSocketRequest;

export interface ClusterCaptureOptions {
  readonly spec: StreamSpec;
  readonly nodes: ClusterNodes;
  readonly mergeWindowMs: number;
  readonly requestStream: RequestStream;
  /** Absent: the capture is of one target and ends with it. */
  readonly observer?: SetObserver | undefined;
}

/** An interface of the merged stream. */
interface MergedInterface {
  readonly id: number;
  readonly queue: BlockQueue;
  /** Of the lives of the stream before this one. */
  receivedBefore: number;
  droppedBefore: number;
  /** As the node told last. */
  received: number;
  dropped: number;
  /** Packets since the last statistics. */
  unreported: number;
}

/** A namespace on a node. */
interface Member {
  readonly spec: SetMember;
  readonly node: string;
  stream?: NodeStream;
  /** By their ids in the stream of the node. */
  interfaces: MergedInterface[];
  /** Those of all its streams so far. */
  readonly known: Map<string, MergedInterface>;
  /** Whether its capture has begun once. */
  hasBegun: boolean;
  /** Its capture broke off and is to go on when the node is back. */
  isLost: boolean;
  retryMs: number;
  retry?: NodeJS.Timeout;
}

/**
 * A capture of namespaces on nodes, as one section: each has a capture of its own at its node, and their packets are merged in order of
 * time. A packet waits for earlier ones of others for `mergeWindowMs`, and for that time longer when its clock is ahead. A node that
 * goes missing does not end it.
 */
export class ClusterCapture implements SetCapture {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly end: Promise<CaptureEnd>;
  private readonly members = new Map<number, Member>();
  private readonly merge = new PacketMerge();
  private readonly buffer = new BlockBuffer(MAX_BLOCK_BYTES);
  private readonly delivered: Delivered = { packets: 0, packetBytes: 0, streamBytes: 0 };
  private readonly limiter: CaptureLimiter;
  private readonly merged: MergedInterface[] = [];
  /** Blocks that are not packets, before all packets; made when there is room for them. */
  private others: (() => Buffer)[] = [];
  /** Index of the next one. */
  private nextOther = 0;
  private other?: Buffer | undefined;
  private comments: string[] = [];
  private commentTimer?: NodeJS.Timeout | undefined;
  /** Since when a node is missing. */
  private readonly absences = new Map<string, Date>();
  private readonly clocksTold = new Map<string, number>();
  private isPaused = false;
  /** Called when there is something to deliver that does not wait for its time. */
  private wake?: (() => void) | undefined;
  /** No block of what is being read counts as later. */
  private latestTime = 0;
  /** Whether nothing waits for its time. */
  private isIdle = true;
  private lastChunkMs = -Infinity;
  private over?: CaptureEnd;
  private readonly settleEnd: (end: CaptureEnd) => void;
  private readonly stopListening: () => void;
  /** Times are in ns since then: as a number, nanoseconds since 1970 would lose digits. */
  private readonly originMs = Date.now();
  private readonly originHigh: number;
  private readonly originLow: number;
  /** Settles when the first member has begun or was refused. */
  private readonly first = Promise.withResolvers<void>();

  constructor(private readonly options: ClusterCaptureOptions) {
    const { spec, nodes } = options;
    const origin = BigInt(this.originMs) * BigInt(NANOSECONDS);
    this.originHigh = Number(origin >> 32n);
    this.originLow = Number(origin & 0xffff_ffffn);
    const { promise, resolve } = Promise.withResolvers<CaptureEnd>();
    this.end = promise;
    this.settleEnd = resolve;
    this.buffer.usualBytes = CHUNK_BYTES;
    const limits = { ...(spec.limits && { limits: spec.limits }) }; // nodes shorten the packets
    this.limiter = new CaptureLimiter(limits, (message) => this.finish({ code: 'limit-reached', message }));
    this.others.push(() => sectionHeaderBlock(spec.sectionComments, `${SERVICE_NAME} ${SERVICE_VERSION}`));
    this.stopListening = nodes.onChange(() => this.onNodesChanged());
    this.chunks = this.produce();
    this.first.promise.catch(() => undefined);
  }

  /**
   * Begins with one namespace.
   *
   * @throws CaptureError when it is refused, or its node is missing
   */
  async begin(member: SetMember, signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.first.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      this.add(member);
      await this.first.promise;
      this.limiter.begin();
    } catch (error) {
      this.abort();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Begins as a set without members. */
  beginEmpty(): void {
    this.limiter.begin();
  }

  attach(members: readonly SetMember[]): void {
    if (this.over) return;
    for (const member of members) this.add(member);
  }

  detach(memberId: number, reason: string): void {
    const member = this.members.get(memberId);
    if (member) this.remove(member, reason);
  }

  comment(text: string): void {
    if (this.comments.length < MAX_WAITING_COMMENTS) this.comments.push(text);
    this.commentTimer ??= setTimeout(() => this.flushComments(), COMMENTS_WITHIN_MS);
  }

  stop(): void {
    this.finish({ code: 'stopped', message: 'the capture was stopped' });
  }

  private add(spec: SetMember): void {
    const member: Member = {
      spec,
      node: spec.reference.node ?? '',
      interfaces: [],
      known: new Map(),
      hasBegun: false,
      isLost: false,
      retryMs: FIRST_RETRY_MS,
    };
    this.members.set(spec.id, member);
    this.connect(member);
  }

  /** What waits for others anyway may be read a little later. */
  private setPace(): void {
    const readsInTicks = this.windowNs >= TICK_MS * NANOSECONDS;
    for (const { stream } of this.members.values()) if (stream) stream.readsInTicks = readsInTicks;
  }

  private connect(member: Member): void {
    const { nodes, requestStream } = this.options;
    const node = nodes.get(member.node);
    if (!node || node.absence) {
      return this.onLost(member, node?.absence?.reason ?? 'it is not known');
    }
    member.interfaces = [];
    const stream = new NodeStream(requestStream(member.spec, node), {
      store: (bytes) => {
        this.latestTime = this.now + this.windowNs;
        return this.merge.store(bytes);
      },
      onStarted: () => this.onStarted(member),
      onInterface: (description) => {
        if (this.merged.length < MAX_INTERFACES) return this.onInterface(member, description);
        this.onStreamEnd(member, { kind: 'broken', message: 'there are too many interfaces' });
        stream.close();
      },
      onPacket: (id, slab, offset, length) => this.onPacket(member.interfaces[id]!, slab, offset, length),
      onStatistics: (id, statistics) => this.onStatistics(member.interfaces[id]!, statistics),
      onEnd: (end) => {
        delete member.stream;
        this.onStreamEnd(member, end);
      },
    });
    member.stream = stream;
    this.setPace();
    if (this.isPaused) stream.pause();
  }

  private onStarted(member: Member): void {
    const isFirst = !member.hasBegun;
    member.hasBegun = true;
    member.isLost = false;
    member.retryMs = FIRST_RETRY_MS;
    const { id, description } = member.spec;
    this.tellPresence(member.node);
    this.tellClock(member.node);
    if (!isFirst) return;
    if (id > 0) this.comment(`${description}: joined`);
    this.options.observer?.onAttached(id);
    this.first.resolve();
  }

  private onInterface(
    member: Member,
    { name, linkType, snapshotLength, ...told }: InterfaceDescription,
  ): void {
    const { name: target, description } = member.spec;
    const key = `${linkType} ${snapshotLength} ${name}`;
    let known = member.known.get(key);
    if (known) {
      known.receivedBefore += known.received + known.unreported;
      known.droppedBefore += known.dropped;
      known.received = known.dropped = known.unreported = 0;
    } else {
      const id = this.merged.length;
      known = {
        id,
        queue: new BlockQueue(),
        receivedBefore: 0,
        droppedBefore: 0,
        received: 0,
        dropped: 0,
        unreported: 0,
      };
      member.known.set(key, known);
      this.merged.push(known);
      const shown = printable(name, MAX_TEXT_CHARACTERS);
      const all = [...this.takeComments(), ...shortened(told.comments)];
      this.others.push(() =>
        interfaceDescriptionBlock({
          name: target ? `${target}:${shown}` : shown,
          linkType,
          snapshotLength,
          filter: this.options.spec.filter,
          description: description || printable(told.description ?? '', MAX_TEXT_CHARACTERS),
          comments: all,
        }),
      );
      if (this.others.length - this.nextOther > MAX_WAITING_OTHERS) this.pauseNodes();
      this.wake?.();
    }
    member.interfaces.push(known);
  }

  private onPacket(to: MergedInterface, slab: Slab, offset: number, length: number): void {
    to.unreported++;
    slab.bytes.writeUInt32LE(to.id, offset + PACKET_INTERFACE_OFFSET);
    this.hold(to, slab, offset, length);
  }

  private onStatistics(of: MergedInterface, { received, dropped, comments }: Statistics): void {
    of.received = received;
    of.dropped = dropped;
    of.unreported = 0;
    const block = this.statisticsOf(of, shortened(comments));
    this.hold(of, new Slab(block), 0, block.length);
  }

  private statisticsOf(of: MergedInterface, comments: readonly string[] = []): Buffer {
    const received = of.receivedBefore + of.received + of.unreported;
    const dropped = of.droppedBefore + of.dropped;
    return interfaceStatisticsBlock(of.id, Date.now(), { received, dropped }, [
      ...this.takeComments(),
      ...comments,
    ]);
  }

  /** Puts a block where its time says, but not further ahead than the window: a clock may be wrong, or a node may lie. */
  private hold(of: MergedInterface, slab: Slab, offset: number, length: number): void {
    const high = slab.bytes.readUInt32LE(offset + PACKET_TIMESTAMP_OFFSET);
    const low = slab.bytes.readUInt32LE(offset + PACKET_TIMESTAMP_OFFSET + 4);
    const time = (high - this.originHigh) * WORD + (low - this.originLow);
    this.merge.push(of.queue, Math.min(time, this.latestTime), slab, offset, length);
    if (this.merge.heldBytes > MAX_HELD_BYTES && !this.isPaused) {
      this.pauseNodes();
      this.wake?.();
    }
    if (this.isIdle) this.wake?.();
  }

  /** Time by the clock on which most nodes agree, in ns since the origin. */
  private get now(): number {
    return (Date.now() - this.originMs + this.options.nodes.clock.aheadMs) * NANOSECONDS;
  }

  /** One namespace has nothing to wait for. */
  private get windowNs(): number {
    return this.members.size > 1 ? this.options.mergeWindowMs * NANOSECONDS : 0;
  }

  private onStreamEnd(member: Member, end: NodeStreamEnd): void {
    if (this.members.get(member.spec.id) !== member) return;
    const where = `node ${member.node}: `;
    switch (end.kind) {
      case 'lost':
        return this.onLost(member, end.message);
      case 'closed':
        // 1001: its service is shutting down, perhaps for a moment only.
        if (end.code === 1001) return this.onLost(member, end.reason);
        return this.leave(member, leaveCodeOf(end.code), where + printable(end.reason, MAX_TEXT_CHARACTERS));
      case 'refused':
        return this.leave(member, 'discovery-failed', where + end.message);
      case 'broken':
        return this.leave(member, 'internal', where + end.message);
      default:
        end satisfies never;
    }
  }

  /** Its node is missing: it goes on when the node is back. */
  private onLost(member: Member, reason: string): void {
    const { since = new Date() } = this.options.nodes.get(member.node)?.absence ?? {};
    if (!member.hasBegun && member.spec.id === 0) {
      const message = `node ${member.node} is missing since ${since.toISOString()}: ${reason}`;
      return this.leave(member, 'discovery-failed', message);
    }
    this.tellAbsence(member.node, reason, since);
    member.isLost = true;
    clearTimeout(member.retry);
    member.retry = setTimeout(() => this.retry(member), member.retryMs).unref();
    member.retryMs = Math.min(2 * member.retryMs, MAX_RETRY_MS);
  }

  private retry(member: Member): void {
    clearTimeout(member.retry);
    if (this.over || !member.isLost || member.stream || !this.members.has(member.spec.id)) return;
    const node = this.options.nodes.get(member.node);
    if (node && !node.absence) this.connect(member);
  }

  private onNodesChanged(): void {
    for (const member of this.members.values()) {
      if (member.isLost && !member.stream) this.retry(member);
      if (!member.stream || member.isLost) continue;
      // The stream may be quiet, so the node may be known to be missing before its connection breaks, or without that.
      const absence = this.options.nodes.get(member.node)?.absence;
      if (absence) this.tellAbsence(member.node, absence.reason, absence.since);
      else this.tellPresence(member.node);
      this.tellClock(member.node);
    }
  }

  private tellAbsence(node: string, reason: string, since: Date): void {
    if (this.absences.has(node)) return;
    this.absences.set(node, since);
    this.comment(`node ${node}: missing since ${since.toISOString()}: ${reason}`);
  }

  private tellPresence(node: string): void {
    const since = this.absences.get(node);
    if (!since) return;
    this.absences.delete(node);
    this.comment(
      `node ${node}: back at ${new Date().toISOString()}; it was missing since ${since.toISOString()}`,
    );
  }

  /** Says by how much the clock of a node differs, once, and again when that has changed. */
  private tellClock(name: string): void {
    const node = this.options.nodes.get(name);
    if (!node?.clock) return;
    const cluster = this.options.nodes.clock;
    const aheadMs = node.clock.aheadMs - cluster.aheadMs;
    const errorMs = node.clock.errorMs + cluster.errorMs;
    const told = this.clocksTold.get(name) ?? 0;
    if (Math.abs(aheadMs - told) <= CLOCK_TOLERANCE_MS + Math.abs(told) / 2 + errorMs) return;
    this.clocksTold.set(name, aheadMs);
    const seconds = (Math.abs(aheadMs) / 1000).toFixed(3);
    const direction = aheadMs > 0 ? 'ahead of' : 'behind';
    this.comment(
      `node ${name}: its clock is ${seconds} s ${direction} that of the cluster (± ${Math.ceil(errorMs)} ms)`,
    );
  }

  /** A member is not captured from any more, and the node or this service has decided that. */
  private leave(member: Member, code: LeaveCode, message: string): void {
    const { observer } = this.options;
    this.first.reject(new CaptureError(code === 'target-ended' ? 'no-such-target' : code, message));
    if (!observer) {
      return this.finish(
        code === 'target-ended' || TARGET_HAS_GONE.has(code)
          ? { code: 'target-ended', message }
          : { code: 'internal', message },
      );
    }
    if (member.hasBegun) this.remove(member, message);
    else this.members.delete(member.spec.id);
    observer.onLeft(member.spec.id, code, message);
  }

  private remove(member: Member, reason: string): void {
    this.members.delete(member.spec.id);
    this.setPace();
    clearTimeout(member.retry);
    member.stream?.close();
    if (member.hasBegun && !this.over)
      this.comment(`${member.spec.description || 'the target'}: left, ${reason}`);
  }

  private flushComments(): void {
    this.commentTimer = undefined;
    const [any] = this.merged;
    if (!any || this.over) return; // they go with the first interface
    while (this.comments.length > 0) {
      const block = this.statisticsOf(any);
      this.others.push(() => block);
    }
    this.wake?.();
  }

  private takeComments(): string[] {
    return this.comments.splice(0, MAX_COMMENTS_PER_BLOCK);
  }

  /** Ends the stream after what has arrived. */
  private finish(end: CaptureEnd): void {
    if (this.over) return;
    this.over = end;
    this.release();
    this.first.reject(new CaptureError('internal', end.message));
    this.wake?.();
  }

  /** Ends at once. */
  private abort(): void {
    this.over ??= { code: 'stopped', message: 'the client has left' };
    this.release();
    this.merge.clear();
    this.others = [];
    this.nextOther = 0;
    this.other = undefined;
    this.settleEnd(this.over);
  }

  private release(): void {
    this.limiter.close();
    clearTimeout(this.commentTimer);
    this.stopListening();
    for (const { stream, retry } of this.members.values()) {
      clearTimeout(retry);
      stream?.close();
    }
    this.members.clear();
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
          this.resumeNodes();
        } else if (this.over && this.others.length === 0) {
          return;
        } else {
          await this.output();
        }
      }
    } finally {
      this.abort();
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
    const until = this.over || this.merge.heldBytes > MAX_HELD_BYTES ? Infinity : this.now - this.windowNs;
    if (this.merge.moveTo(buffer, until) || !this.over || this.merge.heldBytes > 0) return;
    for (const each of this.merged) {
      if (each.unreported === 0) continue;
      const block = this.statisticsOf(each);
      this.others.push(() => block);
      each.received += each.unreported;
      each.unreported = 0;
    }
  }

  /** Waits until there may be something to deliver. */
  private async output(): Promise<void> {
    if (this.others.length > 0 || this.over) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const dueMs = (this.merge.time + this.windowNs - this.now) / NANOSECONDS;
    const tickMs = this.windowNs > 0 ? this.lastChunkMs + TICK_MS - performance.now() : 0;
    this.isIdle = dueMs === Infinity;
    const timer = this.isIdle ? undefined : setTimeout(resolve, Math.max(dueMs, tickMs, 0));
    this.wake = resolve;
    await promise;
    clearTimeout(timer);
    this.wake = undefined;
  }

  private pauseNodes(): void {
    if (this.isPaused) return;
    this.isPaused = true;
    for (const { stream } of this.members.values()) stream?.pause();
  }

  private resumeNodes(): void {
    if (!this.isPaused || this.others.length > 0 || this.merge.heldBytes > LOW_HELD_BYTES) return;
    this.isPaused = false;
    for (const { stream } of this.members.values()) stream?.resume();
  }
}

/** What a close code of a node means for a member. */
function leaveCodeOf(code: number): LeaveCode {
  switch (code) {
    case 1000:
      return 'target-ended';
    case 4400:
      return 'invalid-request';
    case 4403:
      return 'forbidden';
    case 4404:
      return 'no-such-namespace';
    case 4409:
      return 'stale-reference';
    case 4429:
      return 'too-many-captures';
    case 4502:
      return 'discovery-failed';
    default:
      return 'internal';
  }
}

/** Comments of a node, which is not trusted. */
function shortened(comments: readonly string[] = []): string[] {
  return comments.slice(0, MAX_COMMENTS_PER_BLOCK).map((text) => printable(text, MAX_TEXT_CHARACTERS));
}
