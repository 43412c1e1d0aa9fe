import { MAX_SNAPSHOT_LENGTH } from '../../shared/protocol/capture-spec.js';
import { Semaphore } from '../semaphore.js';
import { CompilerProcess, CompileTimeoutError } from './compiler-process.js';

/** More at once would only make each of them slower. */
const MOST_AT_ONCE = 2;
/** A filter that takes longer than any ordinary one does, no longer keeps others waiting: it goes on behind them. */
const PATIENCE_MS = 250;
/** So many of those at once. */
const MOST_BEHIND = 12;
/** Compiled filters kept: people use the same ones again and again. */
const MOST_REMEMBERED = 256;

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
  private readonly known = new Map<string, Promise<Uint8Array>>();
  private readonly turns = new Semaphore(MOST_AT_ONCE);
  private behind = 0;
  private spare?: CompilerProcess;

  /** Starts the process that waits for the next filter. */
  warmUp(): void {
    if (!this.spare?.alive) this.spare = new CompilerProcess();
  }

  /**
   * @param linkType a DLT_ value
   * @returns instructions of a classic BPF program
   * @throws FilterError with libpcap's message
   */
  compile(filter: string, linkType: number): Promise<Uint8Array> {
    const key = `${linkType} ${filter}`;
    let program = this.known.get(key);
    if (!program) {
      program = this.compileInTurn(filter, linkType);
      program.catch(() => this.known.delete(key)); // whoever asked gets to know
    }
    this.remember(key, program);
    return program;
  }

  private async compileInTurn(filter: string, linkType: number): Promise<Uint8Array> {
    await this.turns.take();
    const compiler = this.takeSpare();
    let done = (): void => this.turns.done();
    let patience: NodeJS.Timeout | undefined;
    try {
      await compiler.ready;
      patience = setInterval(() => {
        if (this.behind >= MOST_BEHIND) return;
        clearInterval(patience);
        this.behind++;
        compiler.giveWay();
        this.turns.done();
        done = () => void this.behind--;
      }, PATIENCE_MS);
      return await compileBy(compiler, filter, linkType);
    } finally {
      clearInterval(patience);
      compiler.kill();
      this.warmUp();
      done();
    }
  }

  private takeSpare(): CompilerProcess {
    const { spare } = this;
    this.spare = undefined;
    return spare?.alive ? spare : new CompilerProcess();
  }

  /** The least recently used one is forgotten first. */
  private remember(key: string, program: Promise<Uint8Array>): void {
    this.known.delete(key);
    this.known.set(key, program);
    const [oldest] = this.known.keys();
    if (this.known.size > MOST_REMEMBERED && oldest !== undefined) this.known.delete(oldest);
  }
}

async function compileBy(compiler: CompilerProcess, filter: string, linkType: number): Promise<Uint8Array> {
  try {
    const answer = await compiler.compile({ filter, linkType, snapshotLength: MAX_SNAPSHOT_LENGTH });
    if ('error' in answer) throw new FilterError(answer.error);
    return Buffer.from(answer.program, 'base64');
  } catch (error) {
    throw error instanceof CompileTimeoutError ? new FilterError(error.message, true) : error;
  }
}
