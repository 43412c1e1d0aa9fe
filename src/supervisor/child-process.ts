import { spawn, type ChildProcess as NodeChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from './roles.js';

/** How a process ended: by `exit(status)`, by a signal, or it could not be started at all. */
export interface ProcessEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly error?: Error;
}

/**
 * One run of a child. Its standard input is a *lifeline*: nothing is ever written to it, and its end tells the
 * child to end itself. That works in order (`stop`), and also when we are gone without a word, because the
 * kernel closes our end then. File descriptor 3 is where the child says "ready", if it has to, and "alive" every
 * second; see supervised/supervision.ts.
 */
export class ChildProcess {
  /** Settles when the child is gone; never rejects. */
  readonly ended: Promise<ProcessEnd>;
  private readonly process: NodeChildProcess;
  private readonly ready = Promise.withResolvers<true>();
  private lastWordAtMs: number | undefined;

  constructor(command: Command, environment: NodeJS.ProcessEnv) {
    this.process = spawn(command.file, command.args, {
      env: environment,
      // A session of its own: without a terminal, into which it could type what the shell then runs (TIOCSTI,
      // ioctl_tty(2)), and out of reach of signals to our group: we alone decide the end.
      detached: true,
      stdio: ['pipe', 'inherit', 'inherit', 'pipe'],
    });
    // The child may die while we close the lifeline (EPIPE, ECONNRESET); `ended` tells of it. Without file
    // descriptors for the pipes there is no lifeline, but no child either.
    this.process.stdin?.on('error', ignore);
    this.listen(this.process.stdio?.[3] as Readable | undefined);
    this.ended = new Promise((resolve) => {
      this.process.once('error', (error) => resolve({ status: null, signal: null, error }));
      this.process.once('exit', (status, signal) => resolve({ status, signal }));
    });
  }

  get pid(): number | undefined {
    return this.process.pid;
  }

  /** When it last said anything, on the clock of `performance.now()`; undefined: it has not begun yet. */
  get lastSignOfLifeMs(): number | undefined {
    return this.lastWordAtMs;
  }

  /** Settles with true when the child has said "ready", with false when it ended before it did. */
  async becameReady(): Promise<boolean> {
    return await Promise.race([this.ready.promise, this.ended.then(() => false)]);
  }

  /** Asks the child to end by closing its lifeline, and makes it end when it has not after `deadlineMs`. */
  async stop(deadlineMs: number): Promise<ProcessEnd> {
    this.process.stdin?.end();
    const timer = new AbortController();
    const late = sleep(deadlineMs, undefined, { signal: timer.signal }).then(
      () => this.kill(),
      () => undefined,
    );
    const end = await this.ended;
    timer.abort();
    await late;
    return end;
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }

  /** Whatever a child says, no more of it is kept than could be "ready". */
  private listen(words: Readable | undefined): void {
    let line = '';
    words
      ?.on('error', ignore)
      .setEncoding('latin1')
      .on('data', (text: string) => {
        this.lastWordAtMs = performance.now();
        const lines = `${line}${text}`.split('\n');
        line = (lines.pop() ?? '').slice(0, READY.length);
        if (lines.includes(READY)) this.ready.resolve(true);
      });
  }
}

const READY = 'ready';

function ignore(): void {}

/** For a log line: "ended with status 1", "was ended by SIGKILL", "could not be started: ...". */
export function describeEnd({ status, signal, error }: ProcessEnd): string {
  if (error) return `could not be started: ${error.message}`;
  return signal === null ? `ended with status ${status}` : `was ended by ${signal}`;
}
