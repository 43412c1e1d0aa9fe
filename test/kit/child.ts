import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** All that still run: none of them may outlive the tests, not even when Jest gives up. */
const running = new Set<Child>();
process.on('exit', () => running.forEach((child) => child.signal('SIGKILL')));

/** A process that a test started: its output is kept for failing tests, and it ends with `await using`. */
export class Child implements AsyncDisposable {
  readonly pid: number;
  /** Status or signal, once it has ended and all its output is here. */
  readonly ended: Promise<number | NodeJS.Signals>;
  stdout = '';
  stderr = '';

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

  /** Waits until the output holds a match; fails at once when the process ends without it. */
  async saying(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const match = pattern.exec(this.stdout) ?? pattern.exec(this.stderr);
      if (match) {
        return match;
      }
      if (!this.alive || performance.now() > deadline) {
        throw new Error(`${this.title} never said ${String(pattern)}:\n${this.stdout}${this.stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Waits for the end and fails on any status but 0; gives the standard output. */
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
