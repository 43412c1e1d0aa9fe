import { spawn, type ChildProcess as NodeChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_REPORT_LENGTH, READY, START } from '../shared/supervisor-link/supervisor-link.js';

/** The kernel takes some 10 ms to close each ring of an engine that was killed; on a busy machine, seconds for all of them. */
const MAX_DYING_MS = 10_000;

/** A program and its arguments. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

/** How a process ended: by `exit(status)`, by a signal, or because it could not be started. */
export interface ProcessEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error?: Error;
}

/**
 * One run of a child. Its standard input is a *lifeline*: nothing is ever written to it, and its end tells the child to
 * end. `stop` closes it, and so does the kernel when the supervisor dies. On descriptor 3 the child reports that it is
 * ready and, every second, that it is alive, and asks for other processes; see shared/supervisor-link.
 */
export class ChildProcess {
  /** Settles when the child has ended; never rejects. */
  readonly ended: Promise<ProcessEnd>;
  private readonly process: NodeChildProcess;
  private readonly ready = Promise.withResolvers<true>();
  private lastReportAtMs: number | undefined;
  private killError: Error | undefined;

  /** @param onStartRequest called when the child asks for the process that listens at that path */
  constructor(
    command: Command,
    environment: NodeJS.ProcessEnv,
    private readonly onStartRequest: (socketPath: string) => void = ignore,
  ) {
    this.process = spawn(command.file, command.args, {
      env: environment,
      // A session of its own: without a controlling terminal, into which it could inject input for the shell (TIOCSTI,
      // see ioctl_tty(2)), and out of reach of signals to our process group, because the supervisor decides when it ends.
      detached: true,
      stdio: ['pipe', 'inherit', 'inherit', 'pipe'],
    });
    // The child may die while the lifeline is being closed (EPIPE, ECONNRESET); `ended` reports that. If there are no
    // file descriptors left for the pipes, `stdin` is missing, but then there is no child either.
    this.process.stdin?.on('error', ignore);
    this.receiveReports(this.process.stdio?.[3] as Readable | undefined);
    this.ended = new Promise((resolve) => {
      // Node.js emits 'error' not only when the child cannot be started, but also when it cannot be killed (EPERM, for
      // example): then it still runs. Without a listener, that error would end the supervisor.
      this.process.on('error', (error) => {
        if (this.pid === undefined) resolve({ status: null, signal: null, error });
        else this.killError = error;
      });
      this.process.once('exit', (status, signal) => resolve({ status, signal }));
    });
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  /** When the last report arrived, by the clock of `performance.now()`; undefined: none has arrived yet. */
  get lastSignOfLifeMs(): number | undefined {
    return this.lastReportAtMs;
  }

  /** Settles with true when the child reports that it is ready, and with false if it ends before. */
  async becameReady(): Promise<boolean> {
    return await Promise.race([this.ready.promise, this.ended.then(() => false)]);
  }

  /**
   * Closes the lifeline, and kills the child if it has not ended after `deadlineMs`.
   *
   * @returns what went wrong, if the child cannot be killed; it still runs then
   */
  async stop(deadlineMs: number): Promise<Error | undefined> {
    this.process.stdin?.end();
    if (await this.endsWithin(deadlineMs)) return undefined;
    const failure = this.kill();
    if (failure) return failure;
    // A process that waits in the kernel, for example for a file system that never answers, ends only when that is over.
    return (await this.endsWithin(MAX_DYING_MS)) ? undefined : new Error('it does not end after SIGKILL');
  }

  private async endsWithin(ms: number): Promise<boolean> {
    const timer = new AbortController();
    const late = sleep(ms, false, { signal: timer.signal }).catch(() => false);
    const hasEnded = await Promise.race([this.ended.then(() => true), late]);
    timer.abort();
    return hasEnded;
  }

  /** @returns what went wrong, if the child cannot be killed */
  kill(): Error | undefined {
    this.killError = undefined;
    this.process.kill('SIGKILL');
    return this.killError;
  }

  /** Whatever the child writes, no more of an incomplete line is kept than could become a report. */
  private receiveReports(reports: Readable | undefined): void {
    let line = '';
    reports
      ?.on('error', ignore)
      .setEncoding('latin1')
      .on('data', (text: string) => {
        this.lastReportAtMs = performance.now();
        const lines = `${line}${text}`.split('\n');
        line = (lines.pop() ?? '').slice(0, MAX_REPORT_LENGTH);
        for (const report of lines) this.receive(report);
      });
  }

  private receive(report: string): void {
    if (report === READY) this.ready.resolve(true);
    else if (report.startsWith(START)) this.onStartRequest(report.slice(START.length));
  }
}

function ignore(): void {}

/** For a log line: "ended with status 1", "was ended by SIGKILL", "could not be started: ...". */
export function describeEnd({ status, signal, error }: ProcessEnd): string {
  if (error) return `could not be started: ${error.message}`;
  return signal === null ? `ended with status ${status}` : `was ended by ${signal}`;
}
