import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import type { Writable } from 'node:stream';
import { createInterface, type Interface as LineInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CapabilitySet } from '../../shared/privileges/capabilities.js';
import { logOnce } from '../log.js';
import { closeAllOnExec } from '../../shared/linux/libc.js';
import { COMPILER_READY, type CompileAnswer, type CompileRequest } from './compiler-protocol.js';

const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url));

/**
 * Wraps a command so that it runs in an empty network namespace, which must come first because it needs a privilege, and then
 * without any privileges, which the process verifies itself. Emptying the bounding set needs CAP_SETPCAP, which engines
 * have only without a supervisor.
 */
function stripped(command: readonly string[]): string[] {
  const boundingSet = CapabilitySet.ofThisProcess().has('SETPCAP') ? ['--bounding-set=-all'] : [];
  return [
    ...['unshare', '--net', '--'],
    ...['setpriv', '--inh-caps=-all', '--ambient-caps=-all', ...boundingSet, '--no-new-privs'],
    ...['--pdeathsig', 'KILL', '--', ...command],
  ];
}

/** Without machine code made at run time, the process needs no memory that is writable and executable. */
const FLAGS = ['--disable-sigusr1', '--jitless'];

/** An ordinary filter takes less than a millisecond. */
const COMPILE_DEADLINE_MS = 2_000;
/** Starting the process does not depend on the filter, and takes long on a busy machine. */
const START_DEADLINE_MS = 10_000;

/** More than the longest answer: a program that the engine accepts has 256 KiB. What the process writes is not trusted. */
const MAX_OUTPUT_BYTES = 512 * 1024;

/** Compiling took longer than COMPILE_DEADLINE_MS. */
export class CompileTimeoutError extends Error {
  constructor() {
    super(`it takes more than ${COMPILE_DEADLINE_MS / 1000} s to compile`);
    this.name = 'CompileTimeoutError';
  }
}

/** A process that compiles one filter, see compiler-main.ts. */
export class CompilerProcess {
  private readonly process;
  private readonly input: Writable;
  private readonly lines: LineInterface;
  /** Resolves when the process can take the request; rejects when it has failed. */
  readonly ready: Promise<void>;
  private readonly gone: Promise<never>;
  alive = true;

  /** @throws Error when the process cannot be started, for lack of descriptors or of memory */
  constructor() {
    closeAllOnExec();
    const [command = '', ...args] = stripped([process.execPath, ...FLAGS, MAIN, 'compile-filter']);
    // In the session of the engine: in one of its own, its nice value would have no effect on others, see autogroup in sched(7).
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.process = child;
    this.gone = new Promise((_, reject) => {
      const onGone = (cause?: Error): void => {
        this.alive = false;
        reject(new Error('the filter compiler failed', { cause }));
      };
      child.on('error', onGone);
      child.once('close', () => onGone()); // not `exit`: the answer may not have been read by then
    });
    // All who await it get the error; for a spare process nothing awaits it yet.
    this.gone.catch(() => undefined);
    // Without free descriptors (EMFILE, ENFILE) there is no process, and, unlike what the types say, no pipe; 'error' follows.
    const { stdin, stdout, stderr } = child as Partial<typeof child>;
    if (!stdin || !stdout || !stderr)
      throw new Error('the filter compiler cannot be started: no free descriptors');
    let outputBytes = 0;
    for (const output of [stdout, stderr]) {
      output.on('data', (chunk: Buffer) => {
        outputBytes += chunk.length;
        if (outputBytes > MAX_OUTPUT_BYTES) this.kill();
      });
    }
    createInterface({ input: stderr }).on('line', (line) =>
      logOnce('a filter compiler reports a problem', { line }),
    );
    this.input = stdin.on('error', () => undefined); // EPIPE: the process has ended, `gone` reports it
    this.lines = createInterface({ input: stdout });
    const slow = new Error(`the filter compiler does not start within ${START_DEADLINE_MS / 1000} s`);
    this.ready = this.nextLine(START_DEADLINE_MS, slow).then((line) => {
      if (line !== COMPILER_READY) throw new Error('the filter compiler does not start');
    });
    this.ready.catch(() => undefined);
  }

  /** @throws CompileTimeoutError, or Error when the process failed */
  async compile(request: CompileRequest): Promise<CompileAnswer> {
    await this.ready;
    this.input.write(`${JSON.stringify(request)}\n`);
    return JSON.parse(await this.nextLine(COMPILE_DEADLINE_MS, new CompileTimeoutError())) as CompileAnswer;
  }

  /** @param nice value of sched(7), which cannot be lowered again */
  lowerPriority(nice: number): void {
    try {
      if (this.process.pid !== undefined) setPriority(this.process.pid, nice);
    } catch {
      // ESRCH: it has just ended.
    }
  }

  kill(): void {
    this.process.kill('SIGKILL');
  }

  private async nextLine(deadlineMs: number, lateError: Error): Promise<string> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(lateError), deadlineMs);
    try {
      const line = new Promise<string>((resolve) => this.lines.once('line', resolve));
      return await Promise.race([line, late.promise, this.gone]);
    } finally {
      clearTimeout(timer);
    }
  }
}
