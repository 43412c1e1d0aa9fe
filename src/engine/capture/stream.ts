import { MAX_SNAPSHOT_LENGTH } from '../../shared/protocol/limits.js';
import { interfaceDescriptionBlock, interfaceStatisticsBlock } from '../../shared/pcapng/blocks.js';
import { SystemError } from '../../shared/linux/libc.js';
import { logOnce } from '../log.js';
import { PcapError } from '../pcap/libpcap.js';
import type { DescribedInterface, InterfaceSource } from './interface-source.js';
import type { CaptureOutput } from './output.js';
import { Pacing, untilTickMs } from './pacing.js';

/** Minimum time between two statistics blocks of an interface. */
const STATISTICS_INTERVAL_MS = 1_000;
/**
 * After this many full buffers, or this time, other captures get their turn. The time matters when a filter runs in this
 * process: it may reject batch after batch and never reach the end of a busy ring.
 */
const BUFFERS_PER_TURN = 20;
const TURN_MS = 10;
/**
 * While the client does not read, the rings of interfaces that leave are kept for this time. A client that is only slow gets
 * their last packets; one that reads nothing must not make the engine keep the rings of thousands of interfaces.
 */
const LEAVE_GRACE_MS = 250;

/**
 * Descriptions of interfaces that have left are kept in case they come back, but not without a limit: interfaces may come and go
 * for months.
 */
const MAX_DESCRIBED = 10_000;

/** Comments that wait for a block, and that one block has, each of at most MAX_MEMBER_TEXT_BYTES and some words. */
const MAX_WAITING_COMMENTS = 1_000;
const MAX_COMMENTS_PER_BLOCK = 16;

/**
 * The stream of a running capture: moves packets from the rings of its interfaces to its output as fast as the client
 * reads, and writes the statistics. Everything else stays in the rings, where the kernel counts what it drops.
 */
export class CaptureStream {
  private readonly sources = new Set<InterfaceSource>();
  /** Sources that may have packets; the others call `onReady`. */
  private readonly ready = new Set<InterfaceSource>();
  /** Sources of which the remaining packets are still to be read. */
  private readonly leaving = new Set<InterfaceSource>();
  /** Sources whose interfaces are to be described as soon as the output has room. */
  private readonly undescribed = new Set<InterfaceSource>();
  private readonly described = new Map<string, DescribedInterface>();
  /** Number of interface description blocks. */
  private descriptions = 0;
  private readonly pacing = new Pacing();
  /** No packet is written before the interfaces that exist at the beginning have been described. */
  private held = true;
  private pause?: NodeJS.Timeout;
  private nextTurn?: NodeJS.Immediate;
  private statisticsTimer?: NodeJS.Timeout;
  private statisticsDue = false;
  private graceTimer?: NodeJS.Timeout;
  /** Packets dropped at interfaces that left before they could be described, or whose descriptions were forgotten. */
  private droppedElsewhere = 0;
  /** For the next blocks that can have comments. */
  private comments: string[] = [];
  /** Number of comments that were left out. */
  private commentsMissing = 0;
  private onFinished?: () => void;
  /** What this turn has moved to the output, for the pacing; the bytes are those of one source. */
  private movedPackets = 0;
  private movedBytes = 0;
  /** Of the source that has delivered the most. */
  private mostMovedBytes = 0;

  /**
   * @param onDefect called when packets cannot be read although their interface is there; the stream must be aborted then
   * @param description what the interface description blocks say: the filter, and the snapshot length in bytes, which
   *   CaptureLimiter enforces
   */
  constructor(
    private readonly output: CaptureOutput,
    private readonly onDefect: (error: unknown) => void,
    private readonly description: { readonly filter: string; readonly snapshotLength?: number | undefined },
  ) {}

  /** Number of interfaces that have been described. */
  get interfaces(): number {
    return this.descriptions;
  }

  /** Packets that were dropped because a ring was full, or was given back before it was read, over all interfaces. */
  get dropped(): number {
    // The statistics of a client that does not read may be minutes old.
    for (const source of this.sources) source.updateCounters();
    let dropped = this.droppedElsewhere;
    for (const each of this.described.values()) dropped += each.dropped;
    return dropped;
  }

  /** Reads packets from a source from now on. */
  add(source: InterfaceSource): void {
    this.sources.add(source);
    this.undescribed.add(source);
    if (this.held || this.output.blocked) return;
    this.describeNew();
    this.output.flush();
  }

  /** Writes a comment with the next block that can have one, or within a second if there is an interface. */
  comment(text: string): void {
    if (this.comments.length < MAX_WAITING_COMMENTS) this.comments.push(text);
    else this.commentsMissing++;
    this.statisticsTimer ??= setTimeout(this.onStatisticsTimer, STATISTICS_INTERVAL_MS);
  }

  /** Begins to deliver. */
  begin(): void {
    this.held = false;
    this.pump();
  }

  /** Delivers what is left in the ring of a source, if the client reads, and then its statistics. */
  remove(source: InterfaceSource): void {
    if (!this.sources.delete(source)) return;
    source.beginLastRound();
    this.leaving.add(source);
    this.ready.add(source);
    this.pump();
    if (this.leaving.size > 0 && this.output.blocked) {
      this.graceTimer ??= setTimeout(this.onGraceOver, LEAVE_GRACE_MS);
    }
  }

  /** Must be called when a source has packets to read. */
  readonly onReady = (source: InterfaceSource): void => {
    this.ready.add(source);
    if (this.held || this.output.blocked || this.pause || this.nextTurn) source.pause();
    else this.pump();
  };

  /** Moves packets to the output; must also be called when the output has room again. */
  readonly pump = (): void => {
    if (this.held || this.output.blocked) return;
    clearTimeout(this.pause);
    clearImmediate(this.nextTurn);
    this.pause = this.nextTurn = undefined;
    this.movedPackets = this.mostMovedBytes = 0;
    this.describeNew();
    const delivering: InterfaceSource[] = [];
    const turnEnds = performance.now() + TURN_MS;
    let buffers = 0;

    // Next time the others come first. Those that had their turn may be paused, so they would not call again.
    const endTurn = (source: InterfaceSource): void => {
      this.ready.delete(source);
      for (const each of [source, ...delivering]) this.ready.add(each);
      if (!this.output.blocked) this.nextTurn = setImmediate(this.pump);
      this.observePace();
    };

    for (const source of this.ready) {
      if (this.output.blocked) return endTurn(source); // by statistics of the one before
      const before = this.movedPackets;
      this.movedBytes = 0;
      while (this.readInto(source, turnEnds)) {
        this.output.flush();
        if (this.output.blocked || ++buffers >= BUFFERS_PER_TURN || performance.now() >= turnEnds) {
          return endTurn(source);
        }
      }
      this.ready.delete(source);
      if (this.leaving.has(source)) this.finish(source);
      else if (this.movedPackets > before) delivering.push(source);
      else source.resume();
    }
    if (this.statisticsDue) this.writeStatistics();
    this.output.flush();
    this.observePace();
    this.rest(delivering);
    this.endIfFinished();
  };

  /** Delivers what is in the rings now and the statistics, and ends the stream. */
  end(onFinished: () => void): void {
    this.onFinished = onFinished;
    for (const source of [...this.sources]) this.remove(source);
    this.endIfFinished();
  }

  /** Ends at once and delivers nothing more. */
  abort(): void {
    this.stopTimers();
    this.ready.clear();
    for (const source of [...this.sources, ...this.leaving]) {
      source.updateCounters(); // for the totals: later, the kernel's counters are gone
      source.drained();
    }
    this.sources.clear();
    this.leaving.clear();
    this.undescribed.clear();
  }

  /** @returns whether there is more to read: the buffer is full, or the turn is over */
  private readInto(source: InterfaceSource, turnEnds: number): boolean {
    const { buffer } = this.output;
    const { packets, packetBytes } = buffer;
    try {
      while (source.halfway || source.fill()) {
        // Packets that a filter rejects count in the statistics, too.
        this.statisticsTimer ??= setTimeout(this.onStatisticsTimer, STATISTICS_INTERVAL_MS);
        source.writeTo(buffer);
        if (source.halfway || performance.now() >= turnEnds) return true;
      }
      return false;
    } catch (error) {
      if (!isInterfaceFailure(error)) setImmediate(this.onDefect, error);
      else if (!hasGone(error))
        logOnce('an interface cannot be read', { interface: source.name.name, error });
      // The interface watch reports what comes next.
      this.sources.delete(source);
      this.leaving.add(source);
      return false;
    } finally {
      this.movedPackets += buffer.packets - packets;
      this.movedBytes += buffer.packetBytes - packetBytes;
      this.mostMovedBytes = Math.max(this.mostMovedBytes, this.movedBytes);
    }
  }

  /** Called when all packets of a leaving source are in the output: writes its statistics and releases it. */
  private finish(source: InterfaceSource): void {
    this.leaving.delete(source);
    source.updateCounters();
    if (source.description) this.report(source.description);
    source.drained();
  }

  /** Gives back the rings of interfaces that have left, once the client has not read for a while. */
  private readonly onGraceOver = (): void => {
    this.graceTimer = undefined;
    // At the end of a capture the client gets everything, however long it takes.
    if (this.leaving.size === 0 || this.onFinished || !this.output.blocked) return;
    if (this.output.blockedMs < LEAVE_GRACE_MS) {
      this.graceTimer = setTimeout(this.onGraceOver, LEAVE_GRACE_MS);
      return;
    }
    for (const source of this.leaving) this.discard(source);
    this.statisticsDue = true;
  };

  private discard(source: InterfaceSource): void {
    this.leaving.delete(source);
    this.ready.delete(source);
    if (this.undescribed.delete(source)) this.droppedElsewhere += source.countLosses();
    else source.countUnreadAsDropped();
    source.drained();
  }

  /** Writes the interface description blocks that are due, unless the stream has them from before. */
  private describeNew(): void {
    for (const source of this.undescribed) {
      if (this.output.blocked) return;
      this.undescribed.delete(source);
      source.description = this.describe(source);
    }
  }

  private describe({
    name: { key: sourceKey, name, description },
    linkType,
  }: InterfaceSource): DescribedInterface {
    const key = `${sourceKey} ${linkType}`;
    let known = this.described.get(key);
    if (!known) {
      const { filter, snapshotLength = MAX_SNAPSHOT_LENGTH } = this.description;
      known = { id: this.descriptions++, received: 0, dropped: 0, reported: 0 };
      this.described.set(key, known);
      if (this.described.size > MAX_DESCRIBED) this.forgetOldest();
      const comments = this.takeComments();
      this.output.append(
        interfaceDescriptionBlock({ name, linkType, snapshotLength, filter, description, comments }),
      );
    }
    return known;
  }

  private readonly onPauseOver = (): void => {
    this.pause = undefined; // it has run, so `pump` need not clear it
    this.pump();
  };

  /** Forgets the oldest description of an interface that has left, with its last statistics reported. */
  private forgetOldest(): void {
    const inUse = new Set([...this.sources, ...this.leaving].map(({ description }) => description));
    for (const [key, each] of this.described) {
      if (inUse.has(each) || each.received + each.dropped !== each.reported) continue;
      this.described.delete(key);
      this.droppedElsewhere += each.dropped;
      return;
    }
  }

  private observePace(): void {
    this.pacing.observe(performance.now(), this.movedPackets, this.mostMovedBytes);
  }

  /** Lets packets collect in the rings for a while: the longer, the more they deliver. */
  private rest(delivering: readonly InterfaceSource[]): void {
    const pauses = delivering.map(({ ring, blocks }) => this.pacing.pauseMs(ring, blocks));
    const pauseMs = pauses.length > 0 ? Math.min(...pauses) : 0;
    for (const source of delivering) {
      if (pauseMs === 0) {
        source.resume();
      } else {
        source.pause();
        this.ready.add(source);
      }
    }
    if (pauseMs > 0) this.pause = setTimeout(this.onPauseOver, untilTickMs(performance.now(), pauseMs));
  }

  private readonly onStatisticsTimer = (): void => {
    this.statisticsTimer = undefined;
    this.statisticsDue = true;
    if (this.output.blocked) return;
    this.writeStatistics();
    this.output.flush();
  };

  private writeStatistics(): void {
    for (const source of this.sources) source.updateCounters();
    for (const each of this.described.values()) {
      if (this.output.blocked) return;
      if (each.received + each.dropped !== each.reported) this.report(each);
    }
    const [any] = this.described.values();
    while (any && this.comments.length > 0 && !this.output.blocked) this.report(any);
    this.statisticsDue = false;
  }

  private report(counters: DescribedInterface): void {
    counters.reported = counters.received + counters.dropped;
    this.output.append(interfaceStatisticsBlock(counters.id, Date.now(), counters, this.takeComments()));
  }

  private takeComments(): string[] {
    const taken = this.comments.splice(0, MAX_COMMENTS_PER_BLOCK);
    if (this.comments.length === 0 && this.commentsMissing > 0) {
      taken.push(`${this.commentsMissing} more changes, while nothing could be written`);
      this.commentsMissing = 0;
    }
    return taken;
  }

  private endIfFinished(): void {
    if (!this.onFinished || this.sources.size > 0 || this.leaving.size > 0 || this.statisticsDue) return;
    this.stopTimers();
    const { onFinished } = this;
    this.onFinished = undefined;
    onFinished();
  }

  private stopTimers(): void {
    clearTimeout(this.pause);
    clearImmediate(this.nextTurn);
    clearTimeout(this.statisticsTimer);
    clearTimeout(this.graceTimer);
    this.pause = this.nextTurn = this.statisticsTimer = this.graceTimer = undefined;
  }
}

/** Whether reading failed for a reason outside of this process; anything else is a defect. */
function isInterfaceFailure(error: unknown): error is SystemError | PcapError {
  return error instanceof SystemError || error instanceof PcapError;
}

/** Whether the interface has gone or gone down, in the words of the kernel or of libpcap. */
function hasGone(error: SystemError | PcapError): boolean {
  return error instanceof SystemError
    ? error.code === 'ENETDOWN' || error.code === 'ENODEV'
    : /disappeared|went down/.test(error.message);
}
