import type { InterfaceDescription, Statistics } from '../../shared/pcapng/blocks.js';
import { printable } from '../../shared/printable.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { SetMember, StreamSpec } from '../../shared/protocol/capture-spec.js';
import type { LeaveCode } from '../../shared/protocol/protocol.js';
import type { CaptureEnd, SetCapture, SetObserver } from '../capture/capture-provider.js';
import { REFUSALS } from '../capture/close-codes.js';
import { describeAbsence, type ClusterNode, type ClusterNodes } from './cluster-nodes.js';
import { MAX_COMMENTS_PER_BLOCK, MergedStream, TICK_MS, type MergedInterface } from './merged-stream.js';
import type { NodeSocketRequest } from './node-socket.js';
import { NodeStream, type NodeStreamEnd } from './node-stream.js';

const MAX_TEXT_CHARACTERS = 512;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 5_000;
/** Clocks that agree better than this are not mentioned, in ms. */
const CLOCK_TOLERANCE_MS = 5;
/** Of a member, at all times: a node that makes up names costs no more memory. */
const MAX_INTERFACES = 65_536;

/** What a node says when a target has ended while the connection was broken. */
const TARGET_HAS_GONE: ReadonlySet<LeaveCode> = new Set(['no-such-namespace', 'stale-reference']);
/** After these, it is no use to try again. Others may come from a node that is just starting, or has another token for a moment. */
const FINAL: ReadonlySet<LeaveCode> = new Set([
  ...TARGET_HAS_GONE,
  'target-ended',
  'invalid-request',
  'forbidden',
]);

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

/** A namespace on a node. */
interface Member {
  readonly spec: SetMember;
  readonly node: string;
  stream?: NodeStream;
  /** By their ids in the stream of the node. */
  interfaces: MergedInterface[];
  /** Those of all its streams so far, each with the last stream that has described it. */
  readonly known: Map<string, { readonly merged: MergedInterface; stream: NodeStream | undefined }>;
  /** Whether its capture has begun once. */
  hasBegun: boolean;
  /** Its capture broke off and is to go on when the node is back. */
  isLost: boolean;
  retryMs: number;
  retry?: NodeJS.Timeout;
}

/**
 * A capture of namespaces on nodes: each has a capture of its own at its node, and their packets go into one MergedStream. A node that
 * goes missing does not end it.
 */
export class ClusterCapture implements SetCapture {
  readonly end: Promise<CaptureEnd>;
  private readonly stream: MergedStream;
  private readonly members = new Map<number, Member>();
  /** Since when a node is missing. */
  private readonly absences = new Map<string, Date>();
  private readonly clocksTold = new Map<string, number>();
  private isPaused = false;
  private over?: CaptureEnd;
  private readonly settleEnd: (end: CaptureEnd) => void;
  private readonly stopListening: () => void;
  /** Settles when the first member has begun or was refused. */
  private readonly first = Promise.withResolvers<void>();

  constructor(private readonly options: ClusterCaptureOptions) {
    const { spec, nodes } = options;
    const { promise, resolve } = Promise.withResolvers<CaptureEnd>();
    this.end = promise;
    this.settleEnd = resolve;
    this.stream = new MergedStream(spec, () => nodes.clock.aheadMs, {
      onFull: () => this.setPaused(true),
      onRoom: () => this.setPaused(false),
      onLimit: (message) => this.finish({ code: 'limit-reached', message }),
      onRead: () => this.abort(),
    });
    this.stopListening = nodes.onChange(() => this.onNodesChanged());
    this.first.promise.catch(() => undefined);
  }

  get chunks(): AsyncIterable<Uint8Array> {
    return this.stream.chunks;
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
      this.stream.begin();
    } catch (error) {
      this.abort();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Begins as a set without members. */
  beginEmpty(): void {
    this.stream.begin();
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
    this.stream.comment(text);
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

  /** One namespace has nothing to wait for. What waits for others anyway may be read a little later. */
  private setPace(): void {
    this.stream.windowMs = this.members.size > 1 ? this.options.mergeWindowMs : 0;
    const readsInTicks = this.stream.windowMs >= TICK_MS;
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
      store: (bytes) => this.stream.store(bytes),
      onStarted: () => this.onStarted(member),
      onInterface: (description) => this.onInterface(member, description),
      onPacket: (id, slab, offset, length) =>
        this.stream.addPacket(member.interfaces[id]!, slab, offset, length),
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

  private onInterface(member: Member, told: InterfaceDescription): void {
    const { name, linkType, snapshotLength } = told;
    const { name: target, description } = member.spec;
    const key = `${linkType} ${snapshotLength} ${name}`;
    const known = member.known.get(key);
    // One that was created again has a description of its own in the same stream.
    if (known && known.stream !== member.stream) {
      known.stream = member.stream;
      this.stream.continueInterface(known.merged);
      member.interfaces.push(known.merged);
      return;
    }
    const shown = printable(name, MAX_TEXT_CHARACTERS);
    const added = this.stream.addInterface({
      ...told,
      name: target ? `${target}:${shown}` : shown,
      description: description || printable(told.description ?? '', MAX_TEXT_CHARACTERS),
      comments: shortened(told.comments),
    });
    if (member.known.size < MAX_INTERFACES) member.known.set(key, { merged: added, stream: member.stream });
    member.interfaces.push(added);
  }

  private onStatistics(of: MergedInterface, { comments, ...counters }: Statistics): void {
    this.stream.addStatistics(of, counters, shortened(comments));
  }

  private onStreamEnd(member: Member, end: NodeStreamEnd): void {
    if (this.members.get(member.spec.id) !== member) return;
    const reason =
      end.kind === 'closed' ? printable(end.reason, MAX_TEXT_CHARACTERS) : printable(end.message, 1024);
    const code = leaveCodeOf(end);
    const isFinal = FINAL.has(code) || end.kind === 'broken';
    if (code === 'shutting-down' || end.kind === 'lost' || (member.hasBegun && !isFinal)) {
      return this.onLost(member, reason);
    }
    this.leave(member, code, `node ${member.node}: ${reason}`);
  }

  /** Its node is missing: it goes on when the node is back. */
  private onLost(member: Member, reason: string): void {
    const { since = new Date() } = this.options.nodes.get(member.node)?.absence ?? {};
    if (!member.hasBegun && member.spec.id === 0) {
      return this.leave(member, 'discovery-failed', describeAbsence(member.node, { since, reason }));
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
    const ofAllStreams = [...member.known.values()].map(({ merged }) => merged);
    for (const each of [...ofAllStreams, ...member.interfaces]) this.stream.removeInterface(each);
    if (member.hasBegun && !this.over)
      this.comment(`${member.spec.description || 'the target'}: left, ${reason}`);
  }

  /** Ends the stream after what has arrived. */
  private finish(end: CaptureEnd): void {
    if (this.over) return;
    this.over = end;
    this.release();
    this.first.reject(new CaptureError('internal', end.message));
    this.stream.end();
  }

  /** Ends at once. */
  private abort(): void {
    this.over ??= { code: 'stopped', message: 'the client has left' };
    this.release();
    this.stream.abort();
    this.settleEnd(this.over);
  }

  private release(): void {
    this.stopListening();
    for (const { stream, retry } of this.members.values()) {
      clearTimeout(retry);
      stream?.close();
    }
    this.members.clear();
  }

  private setPaused(isPaused: boolean): void {
    this.isPaused = isPaused;
    for (const { stream } of this.members.values()) {
      if (isPaused) stream?.pause();
      else stream?.resume();
    }
  }
}

/** What the end of a member's stream means. */
function leaveCodeOf(end: NodeStreamEnd): LeaveCode {
  if (end.kind === 'refused') return 'discovery-failed';
  if (end.kind !== 'closed' || end.code === 1011) return 'internal';
  if (end.code === 1000) return 'target-ended';
  return REFUSALS.find(([, code]) => code === end.code)?.[0] ?? 'internal';
}

/** Comments of a node, which is not trusted. */
function shortened(comments: readonly string[] = []): string[] {
  return comments.slice(0, MAX_COMMENTS_PER_BLOCK).map((text) => printable(text, MAX_TEXT_CHARACTERS));
}
