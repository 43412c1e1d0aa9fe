import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SNAPSHOT_LENGTH } from '../snapshot-length.js';
import type { CompileAnswer, CompileRequest } from './compiler-protocol.js';

/** What a filter may take to compile; ordinary ones take less than a millisecond. */
const DEADLINE_MS = 2_000;
/** More than the longest program that the kernel takes (4,096 instructions), in base64. */
const MAX_ANSWER_BYTES = 64 * 1024;

const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url));

/** An empty network namespace first, while that is still permitted; then no privileges at all. */
const STRIPPED = [
  ...['unshare', '--net', '--'],
  ...['setpriv', '--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all', '--no-new-privs'],
  ...['--pdeathsig', 'KILL', '--'],
];

/** The filter is not valid, or too expensive to compile. */
export class FilterError extends Error {
  /** @param tooExpensive it would be for any link type: do not try another */
  constructor(
    message: string,
    readonly tooExpensive = false,
  ) {
    super(message);
    this.name = 'FilterError';
  }
}

/**
 * Compiles capture filters of strangers, each in a process of its own that has no privileges and no network and is
 * killed at the deadline: libpcap's compiler can take minutes, and cannot be interrupted otherwise. Starting
 * such a process takes some 50 ms, so one is kept waiting.
 */
export class FilterCompiler {
  private spare?: ChildProcess;
  private closed = false;

  /** Starts the process that waits for the first filter. */
  warmUp(): void {
    if (!this.closed) this.spare ??= startCompiler();
  }

  /**
   * @param linkType a DLT_ value
   * @returns instructions of a classic BPF program
   * @throws FilterError with libpcap's message
   */
  async compile(filter: string, linkType: number): Promise<Uint8Array> {
    const compiler = this.takeSpare();
    try {
      const answer = await ask(compiler, { filter, linkType, snapshotLength: SNAPSHOT_LENGTH });
      if ('error' in answer) throw new FilterError(answer.error);
      return Buffer.from(answer.program, 'base64');
    } finally {
      compiler.kill('SIGKILL');
      this.warmUp();
    }
  }

  close(): void {
    this.closed = true;
    this.spare?.kill('SIGKILL');
  }

  private takeSpare(): ChildProcess {
    const spare = this.spare;
    this.spare = undefined;
    const alive = spare?.pid !== undefined && spare.exitCode === null && spare.signalCode === null;
    return alive ? spare : startCompiler();
  }
}

function startCompiler(): ChildProcess {
  const [command = '', ...args] = [...STRIPPED, process.execPath, MAIN, 'compile-filter'];
  const compiler = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  // An idle spare may fail or go unnoticed: it is looked at when it is wanted.
  compiler.on('error', () => undefined);
  compiler.stdin.on('error', () => undefined);
  return compiler;
}

function ask(compiler: ChildProcess, request: CompileRequest): Promise<CompileAnswer> {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => {
      reject(new FilterError(`it takes more than ${DEADLINE_MS / 1000} s to compile`, true));
    }, DEADLINE_MS);
    compiler.stdout?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      if (text.length > MAX_ANSWER_BYTES) compiler.kill('SIGKILL');
    });
    compiler.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    compiler.once('close', () => {
      clearTimeout(timer);
      if (text.endsWith('\n')) resolve(JSON.parse(text) as CompileAnswer);
      else reject(new FilterError('the filter compiler failed'));
    });
    compiler.stdin?.end(`${JSON.stringify(request)}\n`);
  });
}
