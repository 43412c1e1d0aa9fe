import { MAX_SNAPSHOT_LENGTH } from '../../shared/protocol/capture-spec.js';
import { Semaphore } from '../semaphore.js';
import { CompilerProcess, CompileTimeoutError } from './compiler-process.js';

/** More at once would only make each of them slower. */
const MAX_CONCURRENT = 2;
/** A filter that takes longer than this no longer delays others: it continues in the background at low priority. */
const FOREGROUND_MS = 250;
const MAX_IN_BACKGROUND = 12;
/** The spare process takes memory: it is ended when no filter has been compiled for this time. */
const SPARE_MS = 30_000;
/** Compiled filters that are cached; people use the same ones again and again. */
const MAX_CACHED = 256;

/** The filter is not valid, or too expensive to compile. */
export class FilterError extends Error {
  /** @param tooExpensive compiling takes too long, and would for any link type */
  constructor(
    message: string,
    readonly tooExpensive = false,
  ) {
    super(message);
    this.name = 'FilterError';
  }
}

/**
 * Compiles capture filters of untrusted clients, each in a process of its own that has no privileges and no network and
 * is killed at its deadline: libpcap's compiler can take minutes and cannot be interrupted otherwise. Starting such a
 * process takes about 50 ms, so a spare one is kept ready for a while after each filter.
 */
export class FilterCompiler {
  private readonly cache = new Map<string, Promise<Uint8Array>>();
  private readonly semaphore = new Semaphore(MAX_CONCURRENT);
  private inBackground = 0;
  private spare?: CompilerProcess;
  private spareTimer?: NodeJS.Timeout;

  /**
   * @param dlt a DLT_ value
   * @returns instructions of a classic BPF program
   * @throws FilterError with libpcap's message
   */
  compile(filter: string, dlt: number): Promise<Uint8Array> {
    const key = `${dlt} ${filter}`;
    let program = this.cache.get(key);
    if (!program) {
      program = this.compileInProcess(filter, dlt);
      program.catch(() => this.cache.delete(key)); // the callers get the error
    }
    this.remember(key, program);
    return program;
  }

  private async compileInProcess(filter: string, dlt: number): Promise<Uint8Array> {
    await this.semaphore.acquire();
    let done = (): void => this.semaphore.release();
    let compiler: CompilerProcess | undefined;
    let foregroundTimer: NodeJS.Timeout | undefined;
    try {
      const running = (compiler = this.takeSpare());
      await running.ready;
      foregroundTimer = setInterval(() => {
        if (this.inBackground >= MAX_IN_BACKGROUND) return;
        clearInterval(foregroundTimer);
        this.inBackground++;
        running.giveWay();
        this.semaphore.release();
        done = () => void this.inBackground--;
      }, FOREGROUND_MS);
      return await compileBy(running, filter, dlt);
    } finally {
      clearInterval(foregroundTimer);
      compiler?.kill();
      done();
      this.keepSpare();
    }
  }

  private keepSpare(): void {
    try {
      if (!this.spare?.alive) this.spare = new CompilerProcess();
    } catch {
      return; // no free descriptors, or no memory: the next filter tries again
    }
    clearTimeout(this.spareTimer);
    this.spareTimer = setTimeout(() => {
      this.spare?.kill();
      this.spare = undefined;
    }, SPARE_MS);
  }

  private takeSpare(): CompilerProcess {
    clearTimeout(this.spareTimer);
    const { spare } = this;
    this.spare = undefined;
    return spare?.alive ? spare : new CompilerProcess();
  }

  /** Evicts the least recently used filter when the cache is full. */
  private remember(key: string, program: Promise<Uint8Array>): void {
    this.cache.delete(key);
    this.cache.set(key, program);
    const [oldest] = this.cache.keys();
    if (this.cache.size > MAX_CACHED && oldest !== undefined) this.cache.delete(oldest);
  }
}

async function compileBy(compiler: CompilerProcess, filter: string, dlt: number): Promise<Uint8Array> {
  try {
    const answer = await compiler.compile({ filter, dlt, snapshotLength: MAX_SNAPSHOT_LENGTH });
    if ('error' in answer) throw new FilterError(answer.error);
    return Buffer.from(answer.program, 'base64');
  } catch (error) {
    throw error instanceof CompileTimeoutError ? new FilterError(error.message, true) : error;
  }
}
