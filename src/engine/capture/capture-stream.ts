import type { Interface } from '../../shared/linux/rtnetlink.js';
import { interfaceDescriptionBlock, interfaceStatisticsBlock } from '../../shared/pcapng/blocks.js';
import type { CaptureTotals } from '../../shared/protocol/protocol.js';
import { MAX_SNAPSHOT_LENGTH } from '../../shared/protocol/capture-spec.js';
import type { CaptureOutput } from './capture-output.js';
import type { DescribedInterface, InterfaceSource } from './interface-source.js';
import { Pacing, untilTickMs } from './pacing.js';
import { ringLastsMs } from './ring-budget.js';

/** How often the statistics of an interface are told, at most. */
const STATISTICS_INTERVAL_MS = 1_000;
/**
 * After so many full buffers it is the turn of other captures; and after so much time: a filter that runs here may leave
 * nothing of batch after batch, and never get to the end of a busy ring.
 */
const BUFFERS_PER_TURN = 20;
const TURN_MS = 10;

/**
 * The stream of a running capture: moves packets from the rings of its interfaces into its output, as fast as that takes
 * them, and tells the statistics. What is not taken stays in the rings, where the kernel counts what it has to drop.
 */
export class CaptureStream {
  private readonly sources = new Set<InterfaceSource>();
  /** Those that may have packets; the others will say so. */
  private readonly ready = new Set<InterfaceSource>();
  /** Those whose last packets are on their way. */
  private readonly leaving = new Set<InterfaceSource>();
  private readonly described = new Map<string, DescribedInterface>();
  private readonly pacing = new Pacing();
  /** No packet goes out before all interfaces that are there from the first have been introduced. */
  private held = true;
  private pause?: NodeJS.Timeout;
  private nextTurn?: NodeJS.Immediate;
  private statisticsTimer?: NodeJS.Timeout;
  private statisticsDue = false;
  private onFinished?: () => void;
  private packets = 0;
  private bytes = 0;

  /**
   * @param onGone called with each source that nothing more is read from, for its ring to be closed
   * @param snapshotLength told of each interface, in bytes; to keep to it is the business of others
   */
  constructor(
    private readonly output: CaptureOutput,
    private readonly onGone: (source: InterfaceSource) => void,
    private readonly snapshotLength = MAX_SNAPSHOT_LENGTH,
  ) {}

  get totals(): CaptureTotals {
    // The statistics of a client that does not read may be minutes old.
    for (const source of this.sources) source.countersNow();
    let dropped = 0;
    for (const each of this.described.values()) dropped += each.dropped;
    return { packets: this.packets, bytes: this.bytes, dropped };
  }

  /** Introduces an interface, unless the stream knows it already. */
  describe({ index, name }: Interface, linkType: number, filter: string): DescribedInterface {
    const key = `${index} ${linkType} ${name}`;
    let known = this.described.get(key);
    if (!known) {
      known = { id: this.described.size, received: 0, dropped: 0, told: 0 };
      this.described.set(key, known);
      this.output.append(interfaceDescriptionBlock(name, linkType, this.snapshotLength, filter));
    }
    return known;
  }

  /** From now on packets are taken from there. */
  add(source: InterfaceSource): void {
    this.sources.add(source);
    if (!this.held) this.output.flush();
  }

  /** Begins to deliver. */
  begin(): void {
    this.held = false;
    this.pump();
  }

  /** Takes what is left there; afterwards come its statistics. */
  remove(source: InterfaceSource): void {
    if (!this.sources.delete(source)) return;
    source.beginLastRound();
    this.leaving.add(source);
    this.ready.add(source);
    this.pump();
  }

  /** Something to read, says the kernel. */
  readonly onReady = (source: InterfaceSource): void => {
    this.ready.add(source);
    if (this.held || this.output.blocked || this.pause || this.nextTurn) source.pause();
    else this.pump();
  };

  /** Moves what there is; to be called when the output has room again, too. */
  readonly pump = (): void => {
    if (this.held || this.output.blocked) return;
    clearTimeout(this.pause);
    clearImmediate(this.nextTurn);
    this.pause = this.nextTurn = undefined;
    const packetsBefore = this.packets;
    const bytesBefore = this.bytes;
    const delivering: InterfaceSource[] = [];
    const turnEnds = performance.now() + TURN_MS;
    let buffers = 0;

    for (const source of this.ready) {
      const before = source.packets;
      while (this.readInto(source, turnEnds)) {
        this.output.flush();
        if (!this.output.blocked && ++buffers < BUFFERS_PER_TURN && performance.now() < turnEnds) continue;
        // Next time the others come first. Those that had their turn may be paused: nobody else calls them again.
        this.ready.delete(source);
        for (const each of [source, ...delivering]) this.ready.add(each);
        if (!this.output.blocked) this.nextTurn = setImmediate(this.pump);
        this.observe(packetsBefore, bytesBefore);
        return;
      }
      this.ready.delete(source);
      if (this.leaving.has(source)) this.finish(source);
      else if (source.packets > before) delivering.push(source);
      else source.resume();
    }
    if (this.statisticsDue) this.writeStatistics();
    this.output.flush();
    this.observe(packetsBefore, bytesBefore);
    this.rest(delivering);
    this.endIfFinished();
  };

  /** What is in the rings now, the statistics, and then nothing any more. */
  end(onFinished: () => void): void {
    this.onFinished = onFinished;
    for (const source of [...this.sources]) this.remove(source);
    this.endIfFinished();
  }

  /** At once, without anything more. */
  abort(): void {
    this.stopTimers();
    this.ready.clear();
    for (const source of [...this.sources, ...this.leaving]) this.onGone(source);
    this.sources.clear();
    this.leaving.clear();
  }

  /** @returns whether there is more: the buffer is full, or the turn over */
  private readInto(source: InterfaceSource, turnEnds: number): boolean {
    const { packets, packetBytes } = source;
    try {
      while (source.halfway || source.fill()) {
        // Whatever a filter leaves of it, it has been counted.
        this.statisticsTimer ??= setTimeout(this.onStatisticsTimer, STATISTICS_INTERVAL_MS);
        source.writeTo(this.output.buffer);
        if (source.halfway || performance.now() >= turnEnds) return true;
      }
      return false;
    } catch {
      // The interface has gone, or gone down for good: the interface watch tells what comes next.
      this.sources.delete(source);
      this.leaving.add(source);
      return false;
    } finally {
      this.packets += source.packets - packets;
      this.bytes += source.packetBytes - packetBytes;
    }
  }

  /** Its last packets are in the output. */
  private finish(source: InterfaceSource): void {
    this.leaving.delete(source);
    this.tell(source);
    this.onGone(source);
  }

  private observe(packetsBefore: number, bytesBefore: number): void {
    const packets = this.packets - packetsBefore;
    this.pacing.observe(performance.now(), packets, this.bytes - bytesBefore);
  }

  /** Leaves the rings alone for a while, the longer the more they deliver. */
  private rest(delivering: readonly InterfaceSource[]): void {
    const pauses = delivering.map(({ ring }) => this.pacing.pauseMs(ring.bytes, ringLastsMs(ring)));
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
      const { received, dropped, told } = source.countersNow();
      if (received + dropped !== told) this.tell(source);
    }
  }

  private tell(source: InterfaceSource): void {
    const counters = source.countersNow();
    counters.told = counters.received + counters.dropped;
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
