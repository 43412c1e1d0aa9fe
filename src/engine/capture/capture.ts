import type { Interface } from '../../shared/linux/rtnetlink.js';
import { sectionHeaderBlock } from '../../shared/pcapng/blocks.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { CaptureSpec } from '../../shared/protocol/capture-spec.js';
import type { CaptureTotals, EndCode, PacketMethod } from '../../shared/protocol/protocol.js';
import { exit } from '../../shared/threads.js';
import type { OpenCapture } from '../control-connection.js';
import { beneficiaryOf, type Beneficiary } from '../beneficiary.js';
import { CaptureFilter } from '../filter/capture-filter.js';
import type { Compiler } from '../filter/filter-compiler.js';
import { log, logDefect, logOnce } from '../log.js';
import { HolderWatch } from '../opener/holder-watch.js';
import { NamespaceFinder } from '../opener/namespace-finder.js';
import type { OpenedNamespace, OpenSource } from '../opener/opener-tasks.js';
import { Opener } from '../opener/opener.js';
import { libraryVersion } from '../pcap/libpcap.js';
import { RING_MEMORY_USED_UP } from './as-capture-error.js';
import { DLT_EN10MB, InterfaceOpener, type OpenInterface } from './interface-opener.js';
import { InterfaceSource } from './interface-source.js';
import { InterfaceWatch } from './interface-watch.js';
import { CaptureLimiter } from './limits.js';
import { CaptureOutput } from './output.js';
import type { OutputSocket } from './output-socket.js';
import type { RingParameters, RingAllotment } from './ring-budget.js';
import { CaptureStream } from './stream.js';
import { TokenBucket } from './token-bucket.js';

/** An interface that exists and is up but could not be opened is tried again after this time. */
const RETRY_MS = 1_000;

/**
 * A namespace may have its interfaces created or renamed all the time, and each that joins costs as much time of the opener
 * threads, which all captures share, as a capture that begins. What exists when the capture begins is not limited.
 */
const MAX_JOINS_AT_ONCE = 256;
const JOINS_PER_SECOND = 5;

/** Codes of the errors that the kernel reports for an interface that has gone or gone down. */
const GONE: ReadonlySet<string> = new Set(['ENODEV', 'ENXIO', 'ENETDOWN']);

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
}

/** The interface has gone, has been renamed, or the capture has ended, before it was the turn of the interface to be opened. */
class NotWantedError extends Error {}

/** An interface that is captured, or will be once it is open. */
interface Member {
  readonly device: Interface;
  source?: InterfaceSource;
  /** DLT_ value, for filters; the reader has the LINKTYPE_ value for the stream. */
  dlt?: number;
}

interface OpenMember extends OpenInterface {
  readonly member: Member;
}

/**
 * One capture, from opening its namespace to its end. It decides which interfaces are captured and when; CaptureStream
 * moves their packets.
 */
export class Capture {
  private readonly stream: CaptureStream;
  private readonly output: CaptureOutput;
  private readonly limiter: CaptureLimiter;
  private readonly interfaceOpener: InterfaceOpener;
  private readonly watch: InterfaceWatch;
  private readonly unwatchHolder: () => void;
  /** Interfaces that are captured or being opened, by index. */
  private readonly joined = new Map<number, Member>();
  /** Number of interfaces that share the ring memory of this capture. */
  private sharers = 1;
  private retry?: NodeJS.Timeout;
  /** Names of the wanted interfaces; empty: all. */
  private readonly wantedNames: ReadonlySet<string>;
  private readonly joins = new TokenBucket(MAX_JOINS_AT_ONCE, JOINS_PER_SECOND);
  private begun = false;
  private over = false;

  /**
   * Opens the namespace and all requested interfaces that are up. Nothing is written before `deliver`.
   *
   * @throws any error, see `asCaptureError`
   */
  static async open(
    spec: CaptureSpec,
    socket: OutputSocket,
    rings: RingAllotment,
    services: CaptureServices,
    observer: CaptureObserver,
    signal: AbortSignal,
  ): Promise<Capture> {
    const beneficiary = beneficiaryOf(spec, signal);
    const filter = new CaptureFilter(spec, services.filterCompiler, beneficiary);
    const early = filter.forDlt(DLT_EN10MB);
    const namespace = await services.finder.open(spec.reference, beneficiary);
    const capture = new Capture(spec, socket, rings, services, filter, namespace, observer, beneficiary);
    const onAbort = (): void => capture.abort();
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    try {
      await early;
      if (!capture.over) await capture.begin();
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
    private readonly spec: CaptureSpec,
    socket: OutputSocket,
    private readonly rings: RingAllotment,
    services: CaptureServices,
    private readonly filter: CaptureFilter,
    private readonly namespace: OpenedNamespace,
    private readonly observer: CaptureObserver,
    beneficiary: Beneficiary,
  ) {
    this.wantedNames = new Set(spec.interfaces);
    this.limiter = new CaptureLimiter(spec, (message) => this.end('limit-reached', message));
    this.output = new CaptureOutput(socket, this.limiter, {
      onBlocked: () => observer.onBlocked(),
      onDrained: () => this.stream.pump(),
      onBroken: () => this.endAtOnce('the client has left'),
    });
    this.stream = new CaptureStream(
      this.output,
      (source) => this.closeSource(source),
      (error) => this.fail(error),
      { filter: filter.text, snapshotLength: spec.snapshotLength },
    );
    const { opener, holderWatch, packetMethod } = services;
    this.interfaceOpener = new InterfaceOpener(opener, namespace.fd, spec, filter, packetMethod, beneficiary);
    this.watch = new InterfaceWatch(namespace.list, (interfaces) => this.follow(interfaces));
    this.unwatchHolder = holderWatch.watch({ netns: spec.reference.netns, holder: namespace.holder }, () =>
      this.end('target-ended', 'the target has ended: nothing holds its network namespace any more'),
    );
  }

  /** Number of interfaces that are captured now. */
  get interfaceCount(): number {
    return this.joined.size;
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
      this.observer.onEnd({ code, message, totals, streamBytes, interfaces: this.stream.interfaces });
    });
  }

  private async begin(): Promise<void> {
    this.refuseUnknownInterfaces();
    const { sectionComments } = this.spec;
    this.output.append(sectionHeaderBlock(sectionComments, `packetflix, ${libraryVersion()}`));
    const devices = this.watch.interfaces.filter(this.wanted);
    this.sharers = Math.max(devices.length, this.spec.interfaces.length);
    const attempts = await Promise.allSettled(devices.map((device) => this.open(device)));
    // Interfaces that went, or went down, while they were being opened are not there: they may come back, as others may.
    const failures = attempts
      .filter((each) => each.status === 'rejected')
      .map((each) => each.reason as NodeJS.ErrnoException)
      .filter(({ code = '' }) => !GONE.has(code));
    for (const each of attempts) if (each.status === 'fulfilled') this.admit(each.value);
    // Without memory for all of them, the user would not notice which interfaces are missing.
    const noRoom = failures.find((each) => each instanceof CaptureError);
    if (noRoom) throw noRoom;
    if (failures[0] && this.joined.size === 0) throw failures[0];
    await this.refuseInapplicableFilter();
  }

  /** Begins to write the stream. The start must have been reported to the server before: the client may answer at once. */
  deliver(): void {
    this.stream.begin();
    if (!this.over) this.limiter.begin(); // the target may have ended while its interfaces were opened
    this.begun = true;
    this.follow(this.watch.interfaces); // applies changes since the namespace was opened
  }

  private refuseUnknownInterfaces(): void {
    const { interfaces } = this.spec;
    if (interfaces.length === 0) return;
    const there = new Set(this.namespace.list.interfaces.map(({ name }) => name));
    if (interfaces.some((name) => there.has(name))) return;
    throw new CaptureError(
      'no-such-interface',
      `network namespace ${this.spec.reference.netns} has no interface ${interfaces.join(', ')}`,
    );
  }

  /** A filter may apply to Ethernet and not to a tunnel: it must apply to at least one link type of the interfaces. */
  private async refuseInapplicableFilter(): Promise<void> {
    const dlts = new Set([...this.joined.values()].map(({ dlt }) => dlt ?? DLT_EN10MB));
    if (dlts.size === 0) dlts.add(DLT_EN10MB);
    const filters = await Promise.all([...dlts].map((dlt) => this.filter.forDlt(dlt)));
    const [first] = filters;
    if (first?.error && filters.every(({ error }) => error)) throw first.error;
  }

  private readonly wanted = ({ name, up }: Interface): boolean => {
    return up && (this.wantedNames.size === 0 || this.wantedNames.has(name));
  };

  /** Called after every change: interfaces that have gone or were renamed leave, requested ones that are up join. */
  private follow(interfaces: readonly Interface[]): void {
    if (this.over || !this.begun) return;
    const names = new Map(interfaces.map(({ index, name }) => [index, name]));
    for (const [index, { device, source }] of this.joined) {
      if (names.get(index) === device.name) continue;
      this.joined.delete(index);
      if (source) this.stream.remove(source);
    }
    for (const each of interfaces) {
      if (!this.wanted(each) || this.joined.has(each.index)) continue;
      if (!this.joins.take()) return this.retryLater();
      void this.join(each);
    }
  }

  private async join(device: Interface): Promise<void> {
    try {
      this.admit(await this.open(device));
    } catch (error) {
      if (this.over || error instanceof NotWantedError) return;
      const { message: reason } = error as Error;
      logOnce('an interface cannot be captured from', {
        capture: this.spec.captureId,
        interface: device.name,
        reason,
      });
      this.retryLater();
    }
  }

  /** For an interface that exists and is up but could not be opened, or whose ring failed. */
  private retryLater(): void {
    if (!this.over) this.retry ??= setTimeout(() => this.followNow(), RETRY_MS);
  }

  private followNow(): void {
    this.retry = undefined;
    this.follow(this.watch.interfaces);
  }

  /** @throws OpenerError, FilterError */
  private async open(device: Interface): Promise<OpenMember> {
    const member: Member = { device };
    this.joined.set(device.index, member);
    const wanted = (): boolean => !this.over && this.joined.get(device.index) === member;
    let ring: RingParameters | undefined;
    const takeRing = async (): Promise<RingParameters> => {
      ring = await this.rings.whenRingAvailable(this.sharers, wanted);
      if (!wanted()) throw new NotWantedError();
      if (!ring) throw new CaptureError('too-many-captures', RING_MEMORY_USED_UP);
      return ring;
    };
    try {
      return { member, ...(await this.interfaceOpener.open(device, takeRing)) };
    } catch (error) {
      if (ring) this.rings.returnRing(ring);
      if (this.joined.get(device.index) === member) this.joined.delete(device.index);
      throw error;
    }
  }

  private admit({ member, reader, ring, dlt }: OpenMember): void {
    const { device } = member;
    if (this.over || this.joined.get(device.index) !== member) {
      this.closeRing(reader.release(), ring); // it has gone while it was being opened
      return;
    }
    member.dlt = dlt;
    member.source = new InterfaceSource(device, reader, ring, this.stream.onReady);
    this.stream.add(member.source);
  }

  /** Called when nothing more is read from a source. */
  private closeSource(source: InterfaceSource): void {
    const { index } = source.device;
    if (this.joined.get(index)?.source === source) {
      this.joined.delete(index);
      this.retryLater();
    }
    this.closeRing(source.release(), source.ring);
  }

  private closeRing(source: OpenSource, ring: RingParameters): void {
    void this.rings.returnWhen(this.interfaceOpener.closeSource(source), ring);
  }

  private close(): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.retry);
    this.limiter.close();
    this.unwatchHolder();
    this.watch.close();
    this.interfaceOpener.close();
  }
}
