import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** Running children. They are killed on exit so that none outlives the tests, even when Jest aborts. */
const running = new Set<Child>();
process.on('exit', () => running.forEach((child) => child.signal('SIGKILL')));

/** A process that a test started. Its output is kept for error messages; `await using` kills it. */
export class Child implements AsyncDisposable {
  readonly pid: number;
  /** Exit status or signal, once the process has ended and its output is complete. */
  readonly ended: Promise<number | NodeJS.Signals>;
  stdout = '';
  stderr = '';
  /** The process has ended, and its output has been read. */
  private isComplete = false;

  private constructor(
    private readonly process: ChildProcess,
    private readonly title: string,
  ) {
    this.pid = process.pid ?? 0;
    process.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    process.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    running.add(this);
    this.ended = once(process, 'close').then((values) => {
      running.delete(this);
      this.isComplete = true;
      const [status, signal] = values as [number | null, NodeJS.Signals | null];
      return status ?? signal ?? 'SIGKILL';
    });
  }

  static async start(command: string, args: readonly string[], env = process.env): Promise<Child> {
    const spawned = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    const child = new Child(spawned, [command, ...args].join(' '));
    await once(spawned, 'spawn');
    return child;
  }

  get alive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** Waits until the output matches the pattern; fails at once when the process ends before. */
  async saying(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (match) {
        return match;
      }
      if (this.isComplete || performance.now() > deadline) {
        const { exitCode, signalCode } = this.process;
        const state = this.alive ? 'still runs' : `ended with ${exitCode ?? signalCode}`;
        const output = this.stdout + this.stderr;
        throw new Error(`${this.title} ${state} and did not print ${String(pattern)}:\n${output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Waits for the end of the process and returns its standard output; throws unless the status is 0. */
  async succeeded(): Promise<string> {
    const status = await this.ended;
    if (status !== 0) {
      throw new Error(`${this.title} ended with ${status}:\n${this.stdout}${this.stderr}`);
    }
    return this.stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }
}
