import { readFileSync } from 'node:fs';

/** Children report every second that they are alive. With the polling interval, a hang is detected in less than 5 s. */
const MAX_SILENCE_MS = 4_000;
/** This share of the silence must be the child's own time, in which it did not wait for a processor. */
const OWN_SHARE = 0.5;
/** Until the first report: loading all the code may take long on a busy machine. */
const MAX_START_MS = 30_000;
const POLL_INTERVAL_MS = 500;
/** If a poll comes later than this, the supervisor itself was suspended, alone or with the whole machine. */
const LATE_POLL_MS = 3 * POLL_INTERVAL_MS;
const NS_PER_MS = 1_000_000;

/** The process that a watchdog observes. */
export interface Watched {
  readonly pid: number | undefined;
  /** By the clock of `performance.now()`; undefined: none yet. */
  readonly lastSignOfLifeMs: number | undefined;
}

/**
 * Detects a child that hangs: its event loop does not run, because the process is stopped or in an endless loop. A
 * child that merely waits for a processor does not hang, nor does one whose reports the supervisor could not read
 * because it was suspended itself.
 */
export class Watchdog {
  private timer: NodeJS.Timeout | undefined;
  private lastPollMs: number;
  /** Silence before this time does not count. */
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
    this.lastPollMs = this.silentSinceMs = clock();
    this.timer = setInterval(() => this.poll(), POLL_INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Called by the timer. */
  poll(): void {
    if (this.timer === undefined) return;
    const nowMs = this.clock();
    const { pid, lastSignOfLifeMs } = this.watched;
    if (nowMs - this.lastPollMs > LATE_POLL_MS) this.countFrom(nowMs);
    this.lastPollMs = nowMs;
    if (lastSignOfLifeMs !== undefined && lastSignOfLifeMs > this.silentSinceMs)
      this.countFrom(lastSignOfLifeMs);
    if (pid === undefined) return;

    const waitedMs = this.waitedForProcessorMs(pid);
    this.waitedBeforeMs ??= waitedMs;
    const silentMs = nowMs - this.silentSinceMs;
    const ownMs = silentMs - (waitedMs - this.waitedBeforeMs);
    const maxMs = lastSignOfLifeMs === undefined ? MAX_START_MS : MAX_SILENCE_MS;
    if (silentMs <= maxMs || ownMs <= maxMs * OWN_SHARE) return;
    this.stop();
    this.onHang(silentMs);
  }

  private countFrom(ms: number): void {
    this.silentSinceMs = ms;
    this.waitedBeforeMs = undefined;
  }
}

/** How long the main thread of a process was ready to run without a processor: proc_pid_schedstat(5), field 2. */
function processorWaitMs(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[1] ?? 0) / NS_PER_MS;
  } catch {
    return 0; // ENOENT: the process has just ended, or the kernel lacks CONFIG_SCHED_INFO
  }
}
