import type { Socket } from 'node:net';
import { CaptureFilter } from '../filter/capture-filter.js';
import type { FilterCompiler } from '../filter/filter-compiler.js';
import { logOnce } from '../log.js';
import { InterfaceWatch } from './interface-watch.js';
import type { Interface } from '../../shared/linux/rtnetlink.js';
import { libraryVersion } from '../pcap/libpcap.js';
import type { HolderWatch } from '../opener/holder-watch.js';
import type { OpenedNamespace, OpenSource } from '../opener/opener-tasks.js';
import type { Opener } from '../opener/opener.js';
import { sectionHeaderBlock } from '../../shared/pcapng/blocks.js';
import type { CaptureTotals, EndCode, PacketMethod } from '../../shared/protocol/protocol.js';
import { whyNotAnInterfaceName, type CaptureSpec } from '../../shared/protocol/capture-spec.js';
import { CaptureLimiter } from './capture-limiter.js';
import { CaptureOutput } from './capture-output.js';
import { CaptureStream } from './capture-stream.js';
import { ETHERNET, InterfaceOpener, type OpenInterface } from './interface-opener.js';
import { InterfaceSource } from './interface-source.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import { RING_MEMORY_USED_UP } from './as-capture-error.js';
import type { Ring, RingAllotment } from './ring-budget.js';

/** When an interface that is there and up could not be opened, it is tried again after this. */
const RETRY_MS = 1_000;

/** What all captures of an engine use together. */
export interface CaptureServices {
  readonly opener: Opener;
  readonly filterCompiler: FilterCompiler;
  readonly holderWatch: HolderWatch;
  readonly packetMethod: PacketMethod;
}

/** How a capture ended. */
export interface CaptureEnding {
  readonly code: EndCode;
  readonly message: string;
  readonly totals: CaptureTotals;
}

/** An interface that takes part, or will as soon as it is open. */
interface Member {
  readonly device: Interface;
  source?: InterfaceSource;
  /** DLT_ value. */
  linkType?: number;
}

interface OpenMember extends OpenInterface {
  readonly member: Member;
}

/**
 * One capture from the opened namespace to its end: which interfaces take part, and when. How their packets travel
 * is the business of CaptureStream.
 */
export class Capture {
  private readonly stream: CaptureStream;
  private readonly output: CaptureOutput;
  private readonly limiter: CaptureLimiter;
  private readonly interfaceOpener: InterfaceOpener;
  private readonly watch: InterfaceWatch;
  private readonly unwatchHolder: () => void;
  /** Interfaces that take part or are being opened, by index. */
  private readonly joined = new Map<number, Member>();
  /** How many interfaces share the ring memory of this capture. */
  private sharers = 1;
  private retry?: NodeJS.Timeout;
  private begun = false;
  private over = false;

  /** Opens the namespace and all interfaces that are wanted and up. @throws anything, see `asCaptureError` */
  static async open(
    order: CaptureSpec,
    data: Socket,
    rings: RingAllotment,
    services: CaptureServices,
    onEnd: (ending: CaptureEnding) => void,
  ): Promise<Capture> {
    const filter = new CaptureFilter(order, services.filterCompiler);
    const early = filter.forLinkType(ETHERNET);
    const namespace = await services.opener.run('openNamespace', order.reference);
    const capture = new Capture(order, data, rings, services, filter, namespace, onEnd);
    try {
      await early;
      await capture.begin();
      return capture;
    } catch (error) {
      capture.abort();
      throw error;
    }
  }

  private constructor(
    private readonly order: CaptureSpec,
    data: Socket,
    private readonly rings: RingAllotment,
    services: CaptureServices,
    private readonly filter: CaptureFilter,
    private readonly namespace: OpenedNamespace,
    private readonly onEnd: (ending: CaptureEnding) => void,
  ) {
    this.limiter = new CaptureLimiter(order, (message) => this.end('limit-reached', message));
    this.output = new CaptureOutput(data, this.limiter, () => this.stream.pump());
    this.stream = new CaptureStream(this.output, (source) => this.gone(source), order.snapshotLength);
    const { opener, holderWatch, packetMethod } = services;
    this.interfaceOpener = new InterfaceOpener(opener, namespace.fd, order, filter, packetMethod);
    this.watch = new InterfaceWatch(
      { fd: namespace.watchFd, interfaces: namespace.interfaces },
      (interfaces) => this.follow(interfaces),
    );
    this.unwatchHolder = holderWatch.watch({ netns: order.reference.netns, holder: namespace.holder }, () =>
      this.end('target-ended', 'the target has ended: nothing holds its network namespace any more'),
    );
  }

  /** The interfaces that take part now. */
  get interfaceNames(): string[] {
    return [...this.joined.values()].map(({ device }) => device.name);
  }

  /** What was delivered and lost so far. */
  get totals(): CaptureTotals {
    return this.limiter.delivered(this.stream.totals);
  }

  /** What is still in the rings and the statistics go out, then the stream ends. */
  end(code: EndCode, message: string): void {
    if (this.over) return;
    this.close();
    this.stream.end(() => {
      this.rings.release();
      this.onEnd({ code, message, totals: this.totals });
    });
  }

  /** Nobody listens any more: everything is given back at once. */
  abort(): void {
    this.close();
    this.stream.abort();
    this.rings.release();
  }

  private async begin(): Promise<void> {
    this.refuseUnknownInterfaces();
    const { sectionComments } = this.order;
    this.output.append(sectionHeaderBlock(sectionComments, `packetflix, ${libraryVersion()}`));
    const devices = this.watch.interfaces.filter(this.wanted);
    this.sharers = Math.max(devices.length, this.order.interfaces.length);
    const attempts = await Promise.allSettled(devices.map((device) => this.open(device)));
    const failures = attempts
      .filter((each) => each.status === 'rejected')
      .map((each) => each.reason as Error);
    for (const each of attempts) if (each.status === 'fulfilled') this.admit(each.value);
    // Where there is no room for all of them, nobody would notice which ones are missing.
    const noRoom = failures.find((each) => each instanceof CaptureError);
    if (noRoom) throw noRoom;
    if (failures[0] && failures.length === attempts.length) throw failures[0];
    await this.refuseUselessFilter();
    this.stream.begin();
    this.limiter.begin();
    this.begun = true;
    this.follow(this.watch.interfaces); // what has changed meanwhile
  }

  private refuseUnknownInterfaces(): void {
    const { interfaces } = this.order;
    if (interfaces.length === 0) return;
    const there = new Set(this.namespace.interfaces.map(({ name }) => name));
    if (interfaces.some((name) => there.has(name))) return;
    throw new CaptureError(
      'no-such-interface',
      `network namespace ${this.order.reference.netns} has no interface ${interfaces.join(', ')}`,
    );
  }

  /** A filter may make sense for Ethernet and none for a tunnel: one link type of those that are there will do. */
  private async refuseUselessFilter(): Promise<void> {
    const linkTypes = new Set([...this.joined.values()].map(({ linkType }) => linkType ?? ETHERNET));
    if (linkTypes.size === 0) linkTypes.add(ETHERNET);
    const filters = await Promise.all([...linkTypes].map((linkType) => this.filter.forLinkType(linkType)));
    const [first] = filters;
    if (first?.error && filters.every(({ error }) => error)) throw first.error;
  }

  private readonly wanted = ({ name, up }: Interface): boolean => {
    const { interfaces } = this.order;
    return (
      up && (interfaces.length === 0 ? whyNotAnInterfaceName(name) === undefined : interfaces.includes(name))
    );
  };

  /** After every change: what has gone or got another name leaves, what is wanted and up joins. */
  private follow(interfaces: readonly Interface[]): void {
    if (this.over || !this.begun) return;
    const names = new Map(interfaces.map(({ index, name }) => [index, name]));
    for (const [index, { device, source }] of this.joined) {
      if (names.get(index) === device.name) continue;
      this.joined.delete(index);
      if (source) this.stream.remove(source);
    }
    for (const each of interfaces) {
      if (this.wanted(each) && !this.joined.has(each.index)) void this.join(each);
    }
  }

  private async join(device: Interface): Promise<void> {
    try {
      this.admit(await this.open(device));
    } catch (error) {
      if (this.over) return;
      logOnce(`interface ${device.name} cannot be captured from: ${(error as Error).message}`, {
        capture: this.order.captureId,
      });
      this.tryAgainLater();
    }
  }

  /** An interface that is there and up could not be opened, or its ring broke. */
  private tryAgainLater(): void {
    if (!this.over) this.retry ??= setTimeout(() => this.followAgain(), RETRY_MS);
  }

  private followAgain(): void {
    this.retry = undefined;
    this.follow(this.watch.interfaces);
  }

  /** @throws OpenerError, FilterError */
  private async open(device: Interface): Promise<OpenMember> {
    const ring = this.rings.takeRing(this.sharers);
    if (!ring) throw new CaptureError('too-many-captures', RING_MEMORY_USED_UP);
    const member: Member = { device };
    this.joined.set(device.index, member);
    try {
      return { member, ...(await this.interfaceOpener.open(device, ring)) };
    } catch (error) {
      this.rings.returnRing(ring);
      if (this.joined.get(device.index) === member) this.joined.delete(device.index);
      throw error;
    }
  }

  private admit({ member, reader, ring, linkType }: OpenMember): void {
    const { device } = member;
    if (this.over || this.joined.get(device.index) !== member) {
      this.closeRing(reader.release(), ring); // it went while it was being opened
      return;
    }
    const { onReady } = this.stream;
    const description = this.stream.describe(device, reader.linkType, this.filter.text);
    member.linkType = linkType;
    member.source = new InterfaceSource(device, reader, ring, description, onReady);
    this.stream.add(member.source);
  }

  /** Nothing more is read from there. */
  private gone(source: InterfaceSource): void {
    const { index } = source.device;
    if (this.joined.get(index)?.source === source) {
      this.joined.delete(index);
      this.tryAgainLater();
    }
    this.closeRing(source.release(), source.ring);
  }

  private closeRing(source: OpenSource, ring: Ring): void {
    this.rings.returnRing(ring);
    this.interfaceOpener.closeSource(source);
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
