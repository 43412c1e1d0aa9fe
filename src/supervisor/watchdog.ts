import { readFileSync } from 'node:fs';

/** Children tell every second that they live, see supervised/supervision.ts. Together with a look at it well below 5 s. */
const LONGEST_SILENCE_MS = 4_000;
/** So much of the silence must be the child's own, and not time in which others had all the processors. */
const OWN_SHARE = 0.5;
/** Until the first word: to load all the code may take long on a busy machine. */
const LONGEST_START_MS = 30_000;
const LOOK_MS = 500;
/** Later than that, and it was us who stood still: stopped, or with the whole machine. */
const LATE_LOOK_MS = 3 * LOOK_MS;
const NS_PER_MS = 1_000_000;

/** What the watchdog looks at. */
export interface Watched {
  readonly pid: number | undefined;
  /** On the clock of `performance.now()`; undefined: none yet. */
  readonly lastSignOfLifeMs: number | undefined;
}

/**
 * Notices that a child hangs: that its event loop stands still, since the process has been stopped or goes round in
 * circles. A child that only waits for a processor does not hang, and neither does one whose words we could not
 * hear because we stood still ourselves.
 */
export class Watchdog {
  private timer: NodeJS.Timeout | undefined;
  private lastLookMs: number;
  /** Silence before this does not count. */
  private silentSinceMs: number;
  private waitedBeforeMs: number | undefined;

  /**
   * @param onHang called once, with the length of the silence in milliseconds
   * @param clock milliseconds; does not count while the machine sleeps, as CLOCK_MONOTONIC of clock_gettime(2)
   */
  constructor(
    private readonly watched: Watched,
    private readonly onHang: (silentMs: number) => void,
    private readonly clock = () => performance.now(),
    private readonly waitedForProcessorMs = processorWaitMs,
  ) {
    this.lastLookMs = this.silentSinceMs = clock();
    this.timer = setInterval(() => this.look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Called by the timer. */
  look(): void {
    if (this.timer === undefined) return;
    const nowMs = this.clock();
    const { pid, lastSignOfLifeMs } = this.watched;
    if (nowMs - this.lastLookMs > LATE_LOOK_MS) this.countFrom(nowMs);
    this.lastLookMs = nowMs;
    if (lastSignOfLifeMs !== undefined && lastSignOfLifeMs > this.silentSinceMs)
      this.countFrom(lastSignOfLifeMs);
    if (pid === undefined) return;

    const waitedMs = this.waitedForProcessorMs(pid);
    this.waitedBeforeMs ??= waitedMs;
    const silentMs = nowMs - this.silentSinceMs;
    const ownMs = silentMs - (waitedMs - this.waitedBeforeMs);
    const longestMs = lastSignOfLifeMs === undefined ? LONGEST_START_MS : LONGEST_SILENCE_MS;
    if (silentMs <= longestMs || ownMs <= longestMs * OWN_SHARE) return;
    this.stop();
    this.onHang(silentMs);
  }

  private countFrom(ms: number): void {
    this.silentSinceMs = ms;
    this.waitedBeforeMs = undefined;
  }
}

/** How long the main thread of a process has been ready to run without a processor: proc_pid_schedstat(5), field 2. */
function processorWaitMs(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[1] ?? 0) / NS_PER_MS;
  } catch {
    return 0; // it has just ended, or the kernel keeps no such account
  }
}
