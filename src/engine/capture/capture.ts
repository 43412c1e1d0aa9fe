import { sectionHeaderBlock } from '../../shared/pcapng/blocks.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import {
  MAX_MEMBERS,
  type CaptureSpec,
  type SetMember,
  type SetSpec,
} from '../../shared/protocol/capture-spec.js';
import type { CaptureTotals, EndCode, LeaveCode, PacketMethod } from '../../shared/protocol/protocol.js';
import { exit } from '../../shared/threads.js';
import type { OpenCapture } from '../control-connection.js';
import { beneficiaryOf, type Beneficiary } from '../beneficiary.js';
import { CaptureFilter } from '../filter/capture-filter.js';
import type { Compiler } from '../filter/filter-compiler.js';
import { log, logDefect } from '../log.js';
import { HolderWatch } from '../opener/holder-watch.js';
import { NamespaceFinder } from '../opener/namespace-finder.js';
import { Opener } from '../opener/opener.js';
import { libraryVersion } from '../pcap/libpcap.js';
import { asCaptureError } from './as-capture-error.js';
import { DLT_EN10MB } from './interface-opener.js';
import { CaptureLimiter } from '../../shared/pcapng/capture-limiter.js';
import { closeNamespace, NamespaceTap, type TapContext } from './namespace-tap.js';
import { CaptureOutput } from './output.js';
import type { OutputSocket } from './output-socket.js';
import type { RingAllotment } from './ring-budget.js';
import { CaptureStream } from './stream.js';

const TARGET_ENDED = 'the target has ended: nothing holds its network namespace any more';

/** What all captures of an engine share. */
interface CaptureServices {
  readonly opener: Opener;
  readonly finder: NamespaceFinder;
  readonly filterCompiler: Compiler;
  readonly holderWatch: HolderWatch;
  readonly packetMethod: PacketMethod;
}

/** Starts what all captures of this engine share. @returns opens a capture */
export function startCaptures(packetMethod: PacketMethod, filterCompiler: Compiler): OpenCapture {
  const onFailure = (error: Error): void => {
    // Without its threads the engine cannot capture; the supervisor restarts it.
    log('an opener thread failed', 'fatal', { error });
    exit(1);
  };
  const opener = new Opener('opener', onFailure);
  opener.prepare();
  const finder = new NamespaceFinder(opener, new Opener('searcher', onFailure, 1));
  const holderWatch = new HolderWatch(opener, finder);
  const services = { opener, finder, filterCompiler, holderWatch, packetMethod };
  return (spec, socket, rings, observer, signal) =>
    Capture.open(spec, socket, rings, services, observer, signal);
}

/** How a capture ended. */
export interface CaptureEnding {
  readonly code: EndCode;
  readonly message: string;
  readonly totals: CaptureTotals;
  /** Bytes of the stream. */
  readonly streamBytes: number;
  /** Number of interfaces that the stream describes. */
  readonly interfaces: number;
}

/** Callbacks for the owner of a capture. */
export interface CaptureObserver {
  /** The stream is complete, and the socket is closed in this process. */
  onEnd(ending: CaptureEnding): void;
  /** The client does not read for the moment. */
  onBlocked(): void;
  /** The namespace of a member of a set has ended. */
  onMemberLeft(memberId: number, code: LeaveCode, message: string): void;
}

/** The capture has ended, or the member is not wanted any more, while its namespace was opened. */
class NotWantedError extends Error {}

/** A member that has joined, or that is being opened. */
interface Membership {
  readonly member: SetMember;
  tap?: NamespaceTap;
}

/**
 * One capture, from its beginning to its end: of one namespace, or of a set whose members join and leave while it runs. Each
 * namespace has a NamespaceTap; all their packets go into one stream.
 */
export class Capture {
  private readonly stream: CaptureStream;
  private readonly output: CaptureOutput;
  private readonly limiter: CaptureLimiter;
  private readonly filter: CaptureFilter;
  /** By the ids of the members; a capture of one namespace has a single one. */
  private readonly memberships = new Map<number, Membership>();
  private readonly tapContext: TapContext;
  /** Whether members may be attached, and the capture goes on when one has ended. */
  private readonly isSet: boolean;
  private over = false;

  /**
   * Opens the namespace and all requested interfaces that are up. Nothing is written before `deliver`.
   *
   * @throws any error, see `asCaptureError`
   */
  static async open(
    spec: CaptureSpec | SetSpec,
    socket: OutputSocket,
    rings: RingAllotment,
    services: CaptureServices,
    observer: CaptureObserver,
    signal: AbortSignal,
  ): Promise<Capture> {
    const capture = new Capture(spec, socket, rings, services, observer, beneficiaryOf(spec, signal));
    const onAbort = (): void => capture.abort();
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    try {
      await ('reference' in spec ? capture.openTarget(spec) : capture.openSet());
      return capture;
    } catch (error) {
      // The target ended, or the client left, meanwhile: the capture reports or has reported its end as any other.
      if (capture.over) return capture;
      capture.abort();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  private constructor(
    private readonly spec: CaptureSpec | SetSpec,
    socket: OutputSocket,
    private readonly rings: RingAllotment,
    private readonly services: CaptureServices,
    private readonly observer: CaptureObserver,
    private readonly beneficiary: Beneficiary,
  ) {
    this.isSet = !('reference' in spec) || 'follow' in spec;
    this.filter = new CaptureFilter(spec, services.filterCompiler, beneficiary);
    this.limiter = new CaptureLimiter(spec, (message) => this.end('limit-reached', message));
    this.output = new CaptureOutput(socket, this.limiter, {
      onBlocked: () => observer.onBlocked(),
      onDrained: () => this.stream.pump(),
      onBroken: () => this.endAtOnce('the client has left'),
    });
    this.stream = new CaptureStream(this.output, (error) => this.fail(error), {
      filter: this.filter.text,
      snapshotLength: spec.snapshotLength,
    });
    const { filter, stream } = this;
    const countSharers = (): number => {
      let sharers = 0;
      for (const { tap } of this.memberships.values()) sharers += tap?.sharers ?? 1;
      return sharers;
    };
    const isLimited = !('reference' in spec);
    this.tapContext = { ...services, spec, rings, filter, stream, beneficiary, countSharers, isLimited };
  }

  /** Number of interfaces that are captured now. */
  get interfaceCount(): number {
    return this.taps.reduce((sum, { interfaceCount }) => sum + interfaceCount, 0);
  }

  /** Number of interfaces that the stream describes. */
  get describedInterfaces(): number {
    return this.stream.interfaces;
  }

  /** What was delivered and lost so far. */
  get totals(): CaptureTotals {
    const { packets, packetBytes } = this.output.delivered;
    return { packets, bytes: packetBytes, dropped: this.stream.dropped };
  }

  /** Bytes of the stream so far, including those that wait for room in the socket. */
  get streamBytes(): number {
    return this.output.delivered.streamBytes;
  }

  /** Bytes that the socket has accepted. */
  get sentBytes(): number {
    return this.output.sentBytes;
  }

  /** How long no bytes have waited for room in the socket, in ms; 0: they do. */
  get unblockedMs(): number {
    return this.output.unblockedMs;
  }

  /** Begins to write the stream. The start must have been reported to the server before: the client may answer at once. */
  deliver(): void {
    this.stream.begin();
    if (!this.over) this.limiter.begin(); // the target may have ended while its interfaces were opened
    for (const tap of this.taps) tap.begin();
  }

  /** The socket of the client is ready for the stream: see `ClientSocket.framing`. */
  release(): void {
    this.output.release();
  }

  /**
   * Captures from one more namespace, as a member of a set, if it is what the member's reference says.
   *
   * @returns whether it is captured from; false: it was detached, or the capture has ended, meanwhile
   * @throws CaptureError
   */
  async attach(member: SetMember): Promise<boolean> {
    const { id, description } = member;
    if (!this.isSet) throw new CaptureError('invalid-request', 'a capture of one target has no members');
    if (this.memberships.has(id))
      throw new CaptureError('invalid-request', `member ${id} has joined already`);
    if (this.memberships.size >= MAX_MEMBERS) {
      throw new CaptureError('invalid-request', `a set has at most ${MAX_MEMBERS} members`);
    }
    try {
      const tap = await this.openTap(member);
      this.stream.comment(`${description}: joined`);
      await tap.open();
      tap.begin();
      return this.memberships.get(id)?.tap === tap && !this.over;
    } catch (error) {
      if (error instanceof NotWantedError) return false;
      const refusal = asCaptureError(error);
      this.leave(id, refusal.message);
      throw refusal;
    }
  }

  /** A member leaves the set. @param reason completes the sentence "left: ..." */
  detach(memberId: number, reason: string): void {
    this.leave(memberId, reason);
  }

  /** Writes a comment for the user into the stream. */
  comment(text: string): void {
    this.stream.comment(text);
  }

  /** Delivers what is still in the rings and the statistics, and ends the stream. */
  end(code: EndCode, message: string): void {
    if (this.over) return;
    this.close();
    this.stream.end(() => this.finish(code, message));
  }

  /**
   * Writes bytes to the socket between two messages of the stream.
   *
   * @param last after these nothing follows, and the capture ends
   */
  write(bytes: Uint8Array, last: boolean, onSent: () => void): void {
    this.output.insert(bytes, last, onSent);
    if (last) this.endAtOnce('the connection was closed');
  }

  /** Ends at once and frees everything, because the client has gone. */
  abort(): void {
    this.close();
    this.stream.abort();
    this.output.close();
    this.rings.release();
  }

  /** Frees everything; what has been written is still sent. */
  private endAtOnce(message: string): void {
    this.close();
    this.stream.abort();
    this.finish('stopped', message);
  }

  /** Ends because of a defect of this process, which might repeat itself for ever. */
  private fail(error: unknown): void {
    if (this.over) return;
    logDefect('a capture failed', error, { capture: this.spec.captureId });
    this.close();
    this.stream.abort();
    this.finish('internal', 'internal error');
  }

  private finish(code: EndCode, message: string): void {
    this.output.end(() => {
      this.rings.release();
      const { totals, streamBytes } = this;
      this.observer.onEnd({ code, message, totals, streamBytes, interfaces: this.describedInterfaces });
    });
  }

  private async openTarget({ reference }: CaptureSpec): Promise<void> {
    const early = this.filter.forDlt(DLT_EN10MB);
    const tap = await this.openTap({ id: 0, reference, name: '', description: '' });
    await early;
    if (this.over) return;
    tap.refuseUnknownInterfaces();
    this.appendSection();
    await tap.open();
    await tap.refuseInapplicableFilter();
  }

  /** Without members, a filter can be tried for the usual link type only. */
  private async openSet(): Promise<void> {
    const { error } = await this.filter.forDlt(DLT_EN10MB);
    if (error) throw error;
    if (!this.over) this.appendSection();
  }

  private appendSection(): void {
    this.output.append(sectionHeaderBlock(this.spec.sectionComments, `packetflix, ${libraryVersion()}`));
  }

  /** Opens and verifies the namespace of a member. */
  private async openTap(member: SetMember): Promise<NamespaceTap> {
    const membership: Membership = { member };
    this.memberships.set(member.id, membership);
    const namespace = await this.services.finder.open(member.reference, this.beneficiary);
    if (this.over || this.memberships.get(member.id) !== membership) {
      closeNamespace(namespace);
      throw new NotWantedError();
    }
    membership.tap = new NamespaceTap(this.tapContext, member, namespace, () =>
      this.onTargetEnded(member.id),
    );
    return membership.tap;
  }

  private get taps(): NamespaceTap[] {
    return [...this.memberships.values()].flatMap(({ tap }) => tap ?? []);
  }

  private onTargetEnded(memberId: number): void {
    if (!this.isSet) return this.end('target-ended', TARGET_ENDED);
    this.leave(memberId, 'it has ended');
    this.observer.onMemberLeft(memberId, 'target-ended', TARGET_ENDED);
  }

  private leave(memberId: number, reason: string): void {
    const membership = this.memberships.get(memberId);
    this.memberships.delete(memberId);
    if (!membership?.tap || this.over) return;
    this.stream.comment(`${membership.member.description || 'the target'}: left, ${reason}`);
    membership.tap.leave();
  }

  private close(): void {
    if (this.over) return;
    this.over = true;
    this.limiter.close();
    for (const tap of this.taps) tap.close();
  }
}
