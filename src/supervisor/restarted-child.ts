import type { LogLevel } from '../shared/logging/log-line.js';
import { describeEnd, type ChildProcess, type ProcessEnd } from './child-process.js';
import { Watchdog } from './watchdog.js';

/** The pause before a restart doubles each time, from the first to the longest. */
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
/** A child that ran this long was healthy: the pause before its next restart is the first one again. */
const HEALTHY_AFTER_MS = 10_000;

/** Writes one line to the log; the default level is `info`. */
export type Log = (message: string, level?: LogLevel) => void;

/**
 * A child that is restarted when it fails, with a growing pause while it keeps failing. It is killed when it hangs. One that
 * runs on demand may end by itself, with status 0, when it has nothing to do.
 */
export class RestartedChild {
  private current: ChildProcess | undefined;
  private startedAtMs = 0;
  private nextPauseMs = FIRST_PAUSE_MS;
  private pause: NodeJS.Timeout | undefined;
  private stopping = false;

  constructor(
    private readonly name: string,
    private readonly launch: () => ChildProcess,
    private readonly log: Log,
    readonly onDemand = false,
  ) {}

  /** Starts the child. `onFirstEnd`, when given, decides whether the child is restarted after its first run. */
  start(onFirstEnd: (end: ProcessEnd) => 'restart' | 'leave' = () => 'restart'): ChildProcess {
    return this.run(onFirstEnd);
  }

  /** Starts the child unless it runs or is about to be restarted. */
  startIfResting(): void {
    if (this.current || this.pause || this.stopping) return;
    this.runAgain();
  }

  /** Ends the child for good; settles when it has ended. */
  async stop(deadlineMs: number): Promise<void> {
    this.stopping = true;
    clearTimeout(this.pause);
    this.logFailedKill(await this.current?.stop(deadlineMs));
  }

  /** Ends the child for good, without waiting for it. */
  kill(): void {
    this.stopping = true;
    clearTimeout(this.pause);
    this.logFailedKill(this.current?.kill());
  }

  private run(onEnd: (end: ProcessEnd) => 'restart' | 'leave' = () => 'restart'): ChildProcess {
    this.pause = undefined;
    this.startedAtMs = performance.now();
    const child = this.launch();
    this.current = child;
    const watchdog = new Watchdog(child, (silentMs) => {
      const seconds = (silentMs / 1000).toFixed(1);
      this.log(`${this.name} hangs: no sign of life for ${seconds} s; killing it`, 'error');
      this.logFailedKill(child.kill());
    });
    void child.ended.then((end) => {
      watchdog.stop();
      this.current = undefined;
      if (this.stopping || (this.onDemand && end.status === 0) || onEnd(end) === 'leave') return;
      this.restartLater(end);
    });
    return child;
  }

  /** Where the host lacks memory for another process, spawn() throws. */
  private runAgain(): void {
    try {
      this.run();
    } catch (error) {
      this.restartLater({ status: null, signal: null, error: error as Error });
    }
  }

  /** A child that cannot be killed still runs, so no other one is started in its place. */
  private logFailedKill(error: Error | undefined): void {
    if (error) this.log(`${this.name} cannot be killed: ${error.message}`, 'error');
  }

  private restartLater(end: ProcessEnd): void {
    if (performance.now() - this.startedAtMs >= HEALTHY_AFTER_MS) this.nextPauseMs = FIRST_PAUSE_MS;
    const pauseMs = this.nextPauseMs;
    this.nextPauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
    this.log(`${this.name} ${describeEnd(end)}; restarting it in ${pauseMs} ms`, 'warn');
    this.pause = setTimeout(() => this.runAgain(), pauseMs);
  }
}
