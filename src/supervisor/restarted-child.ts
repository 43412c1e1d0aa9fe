import { BackOff } from './back-off.js';
import { describeEnd, type ChildProcess, type ProcessEnd } from './child-process.js';
import type { Log } from './log.js';
import { Watchdog } from './watchdog.js';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** A child that lived this long was healthy: its next restart is quick again. */
const HEALTHY_AFTER_MS = 10_000;

/**
 * A child that is started again whenever it ends, after a pause that grows while it keeps dying. One that hangs is
 * ended.
 */
export class RestartedChild {
  private readonly backOff = new BackOff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
  private current: ChildProcess | undefined;
  private startedAtMs = 0;
  private pause: NodeJS.Timeout | undefined;
  private stopping = false;

  constructor(
    private readonly name: string,
    private readonly launch: () => ChildProcess,
    private readonly log: Log,
  ) {}

  /** Starts the child. `firstEnd`, when given, decides whether the end of this first run calls for another. */
  start(firstEnd: (end: ProcessEnd) => 'restart' | 'leave' = () => 'restart'): ChildProcess {
    return this.run(firstEnd);
  }

  /** Ends the child for good; settles when it is gone. */
  async stop(deadlineMs: number): Promise<void> {
    this.stopping = true;
    clearTimeout(this.pause);
    await this.current?.stop(deadlineMs);
  }

  /** Does not wait for anything any more. */
  kill(): void {
    this.stopping = true;
    clearTimeout(this.pause);
    this.current?.kill();
  }

  private run(onEnd: (end: ProcessEnd) => 'restart' | 'leave'): ChildProcess {
    const child = this.launch();
    this.current = child;
    this.startedAtMs = performance.now();
    const watchdog = new Watchdog(child, (silentMs) => {
      this.log(
        `${this.name} hangs: no sign of life for ${(silentMs / 1000).toFixed(1)} s; ending it`,
        'error',
      );
      child.kill();
    });
    void child.ended.then((end) => {
      watchdog.stop();
      this.current = undefined;
      if (this.stopping || onEnd(end) === 'leave') return;
      this.restartLater(end);
    });
    return child;
  }

  private restartLater(end: ProcessEnd): void {
    if (performance.now() - this.startedAtMs >= HEALTHY_AFTER_MS) this.backOff.reset();
    const pauseMs = this.backOff.next();
    this.log(`${this.name} ${describeEnd(end)}; starting it again in ${pauseMs} ms`, 'warn');
    this.pause = setTimeout(() => this.run(() => 'restart'), pauseMs);
  }
}
