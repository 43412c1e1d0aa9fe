import { closeSync } from 'node:fs';
import type { Interface } from '../../shared/linux/rtnetlink.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { SetMember, StreamSpec } from '../../shared/protocol/capture-spec.js';
import type { PacketMethod } from '../../shared/protocol/protocol.js';
import type { Beneficiary } from '../beneficiary.js';
import type { CaptureFilter } from '../filter/capture-filter.js';
import { logOnce } from '../log.js';
import type { HolderWatch } from '../opener/holder-watch.js';
import type { OpenedNamespace, OpenSource } from '../opener/opener-tasks.js';
import type { Opener } from '../opener/opener.js';
import { RING_MEMORY_USED_UP } from './as-capture-error.js';
import { DLT_EN10MB, InterfaceOpener, type OpenInterface } from './interface-opener.js';
import { InterfaceSource, type SourceName } from './interface-source.js';
import { InterfaceWatch } from './interface-watch.js';
import type { RingAllotment, RingParameters } from './ring-budget.js';
import type { CaptureStream } from './stream.js';
import { TokenBucket } from './token-bucket.js';

/** An interface that exists and is up but could not be opened is tried again after this time. */
const RETRY_MS = 1_000;

/**
 * A namespace may have its interfaces created or renamed all the time, and each that joins costs as much time of the opener
 * threads, which all captures share, as a capture that begins. What exists when the capture begins is not limited.
 */
const MAX_JOINS_AT_ONCE = 256;
const JOINS_PER_SECOND = 5;

/** Of a member of a set: many containers may be captured from at the same time, and few have more interfaces. */
const MAX_MEMBER_INTERFACES = 128;

/** Codes of the errors that the kernel reports for an interface that has gone or gone down. */
const GONE: ReadonlySet<string> = new Set(['ENODEV', 'ENXIO', 'ENETDOWN']);

/** What a tap needs of its capture. */
export interface TapContext {
  readonly spec: StreamSpec;
  readonly rings: RingAllotment;
  readonly filter: CaptureFilter;
  readonly stream: CaptureStream;
  readonly beneficiary: Beneficiary;
  readonly opener: Opener;
  readonly holderWatch: HolderWatch;
  readonly packetMethod: PacketMethod;
  /** Whether each namespace has at most MAX_MEMBER_INTERFACES. */
  readonly isLimited: boolean;
  /** Number of interfaces that share the ring memory of the capture. */
  readonly countSharers: () => number;
}

/** The interface has gone, has been renamed, or the tap was closed, before it was the turn of the interface to be opened. */
class NotWantedError extends Error {}

/** An interface that is captured, or will be once it is open. */
interface Joined {
  readonly device: Interface;
  source?: InterfaceSource;
  /** DLT_ value, for filters; the reader has the LINKTYPE_ value for the stream. */
  dlt?: number;
}

interface OpenJoined extends OpenInterface {
  readonly joined: Joined;
}

/**
 * The interfaces of one network namespace for one capture. It decides which of them are captured and when; CaptureStream moves
 * their packets.
 */
export class NamespaceTap {
  /** Number of interfaces for which ring memory is needed, as far as that is known. */
  sharers = 1;
  private readonly interfaceOpener: InterfaceOpener;
  private readonly watch: InterfaceWatch;
  private readonly unwatchHolder: () => void;
  /** Interfaces that are captured or being opened, by index. */
  private readonly joined = new Map<number, Joined>();
  private retry?: NodeJS.Timeout;
  /** Names of the wanted interfaces; empty: all. */
  private readonly wantedNames: ReadonlySet<string>;
  private readonly joins: TokenBucket;
  private begun = false;
  private toldTooMany = false;
  private over = false;

  /**
   * @param member what the namespace belongs to
   * @param namespace from now on owned by this
   * @param onEnd called once, when nothing but this tap holds the namespace any more
   */
  constructor(
    private readonly context: TapContext,
    private readonly member: SetMember,
    private readonly namespace: OpenedNamespace,
    onEnd: () => void,
  ) {
    const { spec, opener, filter, packetMethod, beneficiary, holderWatch } = context;
    this.wantedNames = new Set(spec.interfaces);
    this.joins = new TokenBucket(
      context.isLimited ? MAX_MEMBER_INTERFACES : MAX_JOINS_AT_ONCE,
      JOINS_PER_SECOND,
    );
    this.interfaceOpener = new InterfaceOpener(opener, namespace.fd, spec, filter, packetMethod, beneficiary);
    this.watch = new InterfaceWatch(namespace.list, (interfaces) => this.follow(interfaces));
    const { netns } = member.reference;
    this.unwatchHolder = holderWatch.watch({ netns, holder: namespace.holder }, onEnd);
  }

  /** Number of interfaces that are captured now. */
  get interfaceCount(): number {
    return this.joined.size;
  }

  /** @throws CaptureError when interfaces are requested by name and none of them exists */
  refuseUnknownInterfaces(): void {
    const { interfaces } = this.context.spec;
    if (interfaces.length === 0) return;
    const there = new Set(this.namespace.list.interfaces.map(({ name }) => name));
    if (interfaces.some((name) => there.has(name))) return;
    throw new CaptureError(
      'no-such-interface',
      `network namespace ${this.member.reference.netns} has no interface ${interfaces.join(', ')}`,
    );
  }

  /**
   * Opens all requested interfaces that are up.
   *
   * @throws any error, see `asCaptureError`: when there is no memory for one of them, or none of them can be opened
   */
  async open(): Promise<void> {
    const devices = this.watch.interfaces
      .filter(this.wanted)
      // Others may choose the members of a set, and make as many interfaces as they like.
      .filter(() => !this.context.isLimited || this.joins.take());
    this.sharers = Math.max(devices.length, this.context.isLimited ? 0 : this.wantedNames.size);
    const attempts = await Promise.allSettled(devices.map((device) => this.openInterface(device)));
    // Interfaces that went, or went down, while they were being opened are not there: they may come back, as others may.
    const failures = attempts
      .filter((each) => each.status === 'rejected')
      .map((each) => each.reason as NodeJS.ErrnoException)
      .filter(({ code = '' }) => !GONE.has(code));
    for (const each of attempts) if (each.status === 'fulfilled') this.admit(each.value);
    if (this.over) return;
    // Without memory for all of them, the user would not notice which interfaces are missing.
    const noRoom = failures.find((each) => each instanceof CaptureError);
    if (noRoom) throw noRoom;
    if (failures[0] && this.joined.size === 0) throw failures[0];
  }

  /** A filter may apply to Ethernet and not to a tunnel: it must apply to at least one link type of the interfaces. */
  async refuseInapplicableFilter(): Promise<void> {
    const dlts = new Set([...this.joined.values()].map(({ dlt }) => dlt ?? DLT_EN10MB));
    if (dlts.size === 0) dlts.add(DLT_EN10MB);
    const filters = await Promise.all([...dlts].map((dlt) => this.context.filter.forDlt(dlt)));
    const [first] = filters;
    if (first?.error && filters.every(({ error }) => error)) throw first.error;
  }

  /** Follows the changes of the interfaces from now on, and those since the namespace was opened. */
  begin(): void {
    this.begun = true;
    this.follow(this.watch.interfaces);
  }

  /** Delivers what is left in the rings, if the client reads, and the statistics, and leaves the stream. */
  leave(): void {
    this.close();
    for (const { source } of this.joined.values()) if (source) this.context.stream.remove(source);
    this.joined.clear();
  }

  /** No interface joins any more; those that have joined stay in the stream. */
  close(): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.retry);
    this.unwatchHolder();
    this.watch.close();
    this.interfaceOpener.close();
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
      if (source) this.context.stream.remove(source);
    }
    for (const each of interfaces) {
      if (!this.wanted(each) || this.joined.has(each.index)) continue;
      if (this.context.isLimited && this.joined.size >= MAX_MEMBER_INTERFACES) return this.tellTooMany();
      if (!this.joins.take()) return this.retryLater();
      void this.join(each);
    }
  }

  private tellTooMany(): void {
    if (this.toldTooMany) return;
    this.toldTooMany = true;
    const { description } = this.member;
    const problem = `has more than ${MAX_MEMBER_INTERFACES} interfaces; the others are left out`;
    this.context.stream.comment(`${description}: ${problem}`);
  }

  private async join(device: Interface): Promise<void> {
    try {
      this.admit(await this.openInterface(device));
    } catch (error) {
      if (this.over || error instanceof NotWantedError) return;
      const { message: reason } = error as Error;
      logOnce('an interface cannot be captured from', {
        capture: this.context.spec.captureId,
        interface: device.name,
        reason,
      });
      this.retryLater();
    }
  }

  /** Tries again to open interfaces that are up but could not be opened, or whose ring has failed. */
  private retryLater(): void {
    if (!this.over) this.retry ??= setTimeout(() => this.followNow(), RETRY_MS);
  }

  private followNow(): void {
    this.retry = undefined;
    this.follow(this.watch.interfaces);
  }

  /** @throws OpenerError, FilterError */
  private async openInterface(device: Interface): Promise<OpenJoined> {
    const { rings, countSharers } = this.context;
    const joined: Joined = { device };
    this.joined.set(device.index, joined);
    const wanted = (): boolean => !this.over && this.joined.get(device.index) === joined;
    let ring: RingParameters | undefined;
    const takeRing = async (): Promise<RingParameters> => {
      ring = await rings.whenRingAvailable(countSharers(), wanted);
      if (!wanted()) throw new NotWantedError();
      if (!ring) throw new CaptureError('too-many-captures', RING_MEMORY_USED_UP);
      return ring;
    };
    try {
      return { joined, ...(await this.interfaceOpener.open(device, takeRing)) };
    } catch (error) {
      if (ring) rings.returnRing(ring);
      if (this.joined.get(device.index) === joined) this.joined.delete(device.index);
      throw error;
    }
  }

  private admit({ joined, reader, ring, dlt }: OpenJoined): void {
    const { device } = joined;
    if (this.over || this.joined.get(device.index) !== joined) {
      this.closeRing(reader.release(), ring); // it has gone while it was being opened
      return;
    }
    const { stream } = this.context;
    joined.dlt = dlt;
    joined.source = new InterfaceSource(this.nameOf(device), reader, ring, {
      onReady: stream.onReady,
      onDrained: (source) => this.closeSource(device, source),
    });
    stream.add(joined.source);
  }

  private nameOf({ index, name }: Interface): SourceName {
    const { id, name: target, description } = this.member;
    return { key: `${id} ${index} ${name}`, name: target ? `${target}:${name}` : name, description };
  }

  /** Called when nothing more is read from a source. */
  private closeSource({ index }: Interface, source: InterfaceSource): void {
    if (this.joined.get(index)?.source === source) {
      this.joined.delete(index);
      this.retryLater();
    }
    this.closeRing(source.release(), source.ring);
  }

  private closeRing(source: OpenSource, ring: RingParameters): void {
    void this.context.rings.returnWhen(this.interfaceOpener.closeSource(source), ring);
  }
}

/** Closes a namespace that is not needed any more. */
export function closeNamespace({ fd, list }: OpenedNamespace): void {
  closeSync(fd);
  closeSync(list.fd);
}
