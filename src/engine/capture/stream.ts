import type { Interface } from '../../shared/linux/rtnetlink.js';
import { interfaceDescriptionBlock, interfaceStatisticsBlock } from '../../shared/pcapng/blocks.js';
import { MAX_SNAPSHOT_LENGTH } from '../../shared/protocol/capture-spec.js';
import type { DescribedInterface, InterfaceSource } from './interface-source.js';
import type { CaptureOutput } from './output.js';
import { Pacing, untilTickMs } from './pacing.js';
import { minTimeToFillMs } from './ring-budget.js';

/** Minimum time between two statistics blocks of an interface. */
const STATISTICS_INTERVAL_MS = 1_000;
/**
 * After this many full buffers, or this time, other captures get their turn. The time matters when a filter runs in this
 * process: it may reject batch after batch and never reach the end of a busy ring.
 */
const BUFFERS_PER_TURN = 20;
const TURN_MS = 10;

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
  private readonly described = new Map<string, DescribedInterface>();
  private readonly pacing = new Pacing();
  /** No packet is written before the interfaces that exist at the beginning have been described. */
  private held = true;
  private pause?: NodeJS.Timeout;
  private nextTurn?: NodeJS.Immediate;
  private statisticsTimer?: NodeJS.Timeout;
  private statisticsDue = false;
  private onFinished?: () => void;
  /** What this turn has moved to the output, for the pacing. */
  private movedPackets = 0;
  private movedBytes = 0;

  /**
   * @param onDrained called when a source is drained or gone; the callee closes its ring
   * @param snapshotLength for the interface description blocks, in bytes; CaptureLimiter enforces it
   */
  constructor(
    private readonly output: CaptureOutput,
    private readonly onDrained: (source: InterfaceSource) => void,
    private readonly snapshotLength = MAX_SNAPSHOT_LENGTH,
  ) {}

  /** Packets that the kernel dropped because a ring was full, over all interfaces. */
  get dropped(): number {
    // The statistics of a client that does not read may be minutes old.
    for (const source of this.sources) source.countersNow();
    let dropped = 0;
    for (const each of this.described.values()) dropped += each.dropped;
    return dropped;
  }

  /** Writes an interface description block, unless the stream has it already. */
  describe({ index, name }: Interface, linkType: number, filter: string): DescribedInterface {
    const key = `${index} ${linkType} ${name}`;
    let known = this.described.get(key);
    if (!known) {
      known = { id: this.described.size, received: 0, dropped: 0, reported: 0 };
      this.described.set(key, known);
      this.output.append(interfaceDescriptionBlock(name, linkType, this.snapshotLength, filter));
    }
    return known;
  }

  /** Reads packets from a source from now on. */
  add(source: InterfaceSource): void {
    this.sources.add(source);
    if (!this.held) this.output.flush();
  }

  /** Begins to deliver. */
  begin(): void {
    this.held = false;
    this.pump();
  }

  /** Delivers what is left in the ring of a source, and then its statistics. */
  remove(source: InterfaceSource): void {
    if (!this.sources.delete(source)) return;
    source.beginLastRound();
    this.leaving.add(source);
    this.ready.add(source);
    this.pump();
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
    this.movedPackets = this.movedBytes = 0;
    const delivering: InterfaceSource[] = [];
    const turnEnds = performance.now() + TURN_MS;
    let buffers = 0;

    for (const source of this.ready) {
      const before = this.movedPackets;
      while (this.readInto(source, turnEnds)) {
        this.output.flush();
        if (!this.output.blocked && ++buffers < BUFFERS_PER_TURN && performance.now() < turnEnds) continue;
        // Next time the others come first. Those that had their turn may be paused, so they would not call again.
        this.ready.delete(source);
        for (const each of [source, ...delivering]) this.ready.add(each);
        if (!this.output.blocked) this.nextTurn = setImmediate(this.pump);
        this.observePace();
        return;
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
    for (const source of [...this.sources, ...this.leaving]) this.onDrained(source);
    this.sources.clear();
    this.leaving.clear();
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
    } catch {
      // ENETDOWN and the like: the interface has gone or gone down. The interface watch reports what comes next.
      this.sources.delete(source);
      this.leaving.add(source);
      return false;
    } finally {
      this.movedPackets += buffer.packets - packets;
      this.movedBytes += buffer.packetBytes - packetBytes;
    }
  }

  /** Called when all packets of a leaving source are in the output: writes its statistics and releases it. */
  private finish(source: InterfaceSource): void {
    this.leaving.delete(source);
    this.report(source);
    this.onDrained(source);
  }

  private observePace(): void {
    this.pacing.observe(performance.now(), this.movedPackets, this.movedBytes);
  }

  /** Lets packets collect in the rings for a while: the longer, the more they deliver. */
  private rest(delivering: readonly InterfaceSource[]): void {
    const pauses = delivering.map(({ ring }) => this.pacing.pauseMs(ring.bytes, minTimeToFillMs(ring)));
    const pauseMs = pauses.length > 0 ? Math.min(...pauses) : 0;
    for (const source of delivering) {
      if (pauseMs === 0) {
        source.resume();
      } else {
        source.pause();
        this.ready.add(source);
      }
    }
    if (pauseMs > 0) this.pause = setTimeout(this.pump, untilTickMs(performance.now(), pauseMs));
  }

  private readonly onStatisticsTimer = (): void => {
    this.statisticsTimer = undefined;
    if (this.output.blocked) {
      this.statisticsDue = true;
      return;
    }
    this.writeStatistics();
    this.output.flush();
  };

  private writeStatistics(): void {
    this.statisticsDue = false;
    for (const source of this.sources) {
      const { received, dropped, reported } = source.countersNow();
      if (received + dropped !== reported) this.report(source);
    }
  }

  private report(source: InterfaceSource): void {
    const counters = source.countersNow();
    counters.reported = counters.received + counters.dropped;
    this.output.append(interfaceStatisticsBlock(counters.id, Date.now(), counters));
  }

  private endIfFinished(): void {
    if (!this.onFinished || this.sources.size > 0 || this.leaving.size > 0) return;
    this.stopTimers();
    this.output.end(this.onFinished);
    this.onFinished = undefined;
  }

  private stopTimers(): void {
    clearTimeout(this.pause);
    clearImmediate(this.nextTurn);
    clearTimeout(this.statisticsTimer);
    this.pause = this.nextTurn = this.statisticsTimer = undefined;
  }
}
