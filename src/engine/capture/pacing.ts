import { minTimeToFillMs, type RingParameters } from './ring-budget.js';

/** Below this rate the kernel's block timer sets the pace; above it, a wake-up for each block costs too much. */
const QUIET_PACKETS_PER_SECOND = 300;
/** At and above this rate, over all captures of the engine, the pause is MAX_PAUSE_MS. */
const BUSY_PACKETS_PER_SECOND = 1_000;
const MIN_PAUSE_MS = 5;
const MAX_PAUSE_MS = 20;
/** Pauses end at multiples of this, so that captures with similar pauses wake the process up together. */
const TICK_MS = 5;
/** Share of the time that a ring lasts after which it is read again. */
const RING_SHARE = 1 / 3;
/** Weight of the last interval in the moving average of the rates. */
const LATEST_WEIGHT = 0.4;

/** Interval in which an engine's packets are counted. */
const WINDOW_MS = 200;

/** The rate of packets over all captures of an engine. */
export class EngineRate {
  packetsPerMs = 0;
  private packets = 0;
  private sinceMs = 0;

  observe(now: number, packets: number): void {
    this.packets += packets;
    const elapsed = now - this.sinceMs;
    if (elapsed < WINDOW_MS) return;
    this.packetsPerMs = this.packets / elapsed;
    this.packets = 0;
    this.sinceMs = now;
  }
}

const rateOfThisEngine = new EngineRate();

/**
 * Computes how long packets may collect in the rings of a capture: no pause when it is quiet, longer ones under load. A capture
 * that is not quiet pauses longer in a busy engine: what 200 captures cost is mostly their wake-ups.
 */
export class Pacing {
  private packetsPerMs = 0;
  private bytesPerMs = 0;
  private last = 0;

  constructor(private readonly engine = rateOfThisEngine) {}

  /**
   * Must be called with what was read since the last call.
   *
   * @param now a monotonic clock, in milliseconds
   * @param packets of all rings
   * @param bytes of the ring that delivered the most: it is the first to be full
   */
  observe(now: number, packets: number, bytes: number): void {
    const elapsed = Math.max(1, now - this.last);
    this.last = now;
    this.engine.observe(now, packets);
    this.packetsPerMs += LATEST_WEIGHT * (packets / elapsed - this.packetsPerMs);
    this.bytesPerMs += LATEST_WEIGHT * (bytes / elapsed - this.bytesPerMs);
  }

  /**
   * @param blocks number of blocks of the ring; default: the smallest possible
   * @returns milliseconds until the ring should be read again; 0: no pause, the kernel wakes us up
   */
  pauseMs(ring: RingParameters, blocks?: number): number {
    const rate = this.packetsPerMs * 1_000;
    if (rate < QUIET_PACKETS_PER_SECOND) return 0;
    const excess = Math.max(rate, this.engine.packetsPerMs * 1_000) - QUIET_PACKETS_PER_SECOND;
    const share = Math.min(1, excess / (BUSY_PACKETS_PER_SECOND - QUIET_PACKETS_PER_SECOND));
    const wanted = MIN_PAUSE_MS + share * (MAX_PAUSE_MS - MIN_PAUSE_MS);
    // Before the timeout of its block, a ring that is not busy has nothing to read. A tick more, because pauses end on ticks.
    const useful = ring.blockTimeoutMs > MAX_PAUSE_MS ? ring.blockTimeoutMs + 2 * TICK_MS : wanted;
    const untilFull = Math.min(minTimeToFillMs(ring, blocks), ring.bytes / this.bytesPerMs);
    return Math.max(1, Math.floor(Math.min(useful, RING_SHARE * untilFull)));
  }
}

/**
 * Shortens a pause so that it ends on a tick.
 *
 * @param now a monotonic clock, in milliseconds
 */
export function untilTickMs(now: number, pauseMs: number): number {
  if (pauseMs < TICK_MS) return pauseMs;
  const end = Math.floor((now + pauseMs) / TICK_MS) * TICK_MS;
  return Math.max(1, Math.round(end - now));
}
