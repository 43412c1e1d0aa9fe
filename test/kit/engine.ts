import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.js';
import { MAIN } from './service.js';

const END_TIMEOUT_MS = 5_000;

/** An engine without a supervisor. */
export class Engine implements AsyncDisposable {
  private constructor(
    readonly pid: number,
    /** Path of its unix socket. */
    readonly socket: string,
    private readonly end: () => Promise<void>,
  ) {}

  /** @param wrapper command before that of the engine, which must replace itself with it by execve(2) */
  static async start(wrapper: readonly string[] = []): Promise<Engine> {
    const folder = mkdtempSync(join(tmpdir(), 'packetflix-test-'));
    const socket = join(folder, 'engine.sock');
    const [program = '', ...args] = [...wrapper, process.execPath, MAIN, 'engine', '--socket', socket];
    // The engine runs as long as its standard input is open.
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'inherit'] });
    const ended = once(child, 'exit');
    await eventually('the engine', () => existsSync(socket));
    return new Engine(child.pid ?? 0, socket, async () => {
      child.stdin.end();
      // Rarely, Node.js does not end: process.exit() waits for a thread of V8 that waits for the main thread. The
      // supervisor kills such a process, too.
      const timer = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS);
      await ended;
      clearTimeout(timer);
      rmSync(folder, { recursive: true, force: true });
    });
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}
