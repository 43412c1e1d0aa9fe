import { MAX_SNAPSHOT_LENGTH } from '../../shared/protocol/limits.js';
import { constants } from 'node:os';
import { SingleFlight } from '../../shared/single-flight.js';
import { CompilerProcess, CompileTimeoutError } from './compiler-process.js';
import { FairTurns } from './fair-turns.js';

/** More at once would only make each of them slower. */
const MAX_CONCURRENT = 2;
/** A filter that takes longer than this no longer delays others: it continues in the background at low priority. */
const FOREGROUND_MS = 250;
/** Priority of the filters of a client with several: packets and other clients come first. */
const NICE_OF_MANY = 10;
/** Each takes up to 100 MiB. */
const MAX_IN_BACKGROUND = 2;
/** The spare process takes memory: it is ended when no filter has been compiled for this time. */
const SPARE_MS = 30_000;
/** Compiled filters that are cached; people use the same ones again and again. */
const MAX_CACHED = 256;
/** Far more than the kernel accepts, or a person writes. */
const MAX_PROGRAM_BYTES = 256 * 1024;
/** libpcap's messages have at most 256 bytes. */
const MAX_ERROR_LENGTH = 1024;

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

/** Compiles capture filters of untrusted clients. */
export interface Compiler {
  /**
   * @param dlt a DLT_ value
   * @param client on whose behalf, for fairness
   * @param signal aborted when the program is not needed any more
   * @returns instructions of a classic BPF program
   * @throws FilterError with libpcap's message
   */
  compile(filter: string, dlt: number, client: string, signal: AbortSignal): Promise<Uint8Array>;
}

/**
 * Compiles each filter in a process of its own that has no privileges and no network and is killed at its deadline:
 * libpcap's compiler can take minutes and cannot be interrupted otherwise. Starting such a process takes about 50 ms, so a
 * spare one is kept ready for a while after each filter. One engine compiles for all: see remote-compiler.ts.
 */
export class FilterCompiler implements Compiler {
  private readonly cache = new Map<string, Uint8Array>();
  /** By client and filter: those who ask for the same filter must not wait for the turn of another client. */
  private readonly pending = new Map<string, SingleFlight<Uint8Array>>();
  private readonly turns = new FairTurns(MAX_CONCURRENT, MAX_IN_BACKGROUND, () => {
    const seconds = FOREGROUND_MS / 1_000;
    return new FilterError(`it takes more than ${seconds} s to compile, and other filters wait`, true);
  });
  private spare?: CompilerProcess;
  private spareTimer?: NodeJS.Timeout;

  compile(filter: string, dlt: number, client: string, signal: AbortSignal): Promise<Uint8Array> {
    const cached = this.cached(filter, dlt);
    if (cached) return Promise.resolve(cached);
    const key = `${client} ${dlt} ${filter}`;
    let flight = this.pending.get(key);
    if (!flight) {
      flight = new SingleFlight((whileWanted) =>
        this.compileInTurn(filter, dlt, client, whileWanted).finally(() => this.pending.delete(key)),
      );
      this.pending.set(key, flight);
    }
    return flight.ask(false, signal);
  }

  private async compileInTurn(
    filter: string,
    dlt: number,
    client: string,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const turn = await this.turns.take(client, signal);
    let compiler: CompilerProcess | undefined;
    let foregroundTimer: NodeJS.Timeout | undefined;
    const onAbort = (): void => compiler?.kill();
    try {
      const cached = this.cached(filter, dlt); // for another client, meanwhile
      if (cached) return cached;
      const running = (compiler = this.takeSpare());
      if (this.turns.waiting > 0) this.keepSpare(); // it starts while this one compiles
      signal.addEventListener('abort', onAbort);
      if (turn.isOneOfMany) running.lowerPriority(NICE_OF_MANY);
      await running.ready;
      foregroundTimer = setInterval(() => {
        if (!turn.giveWay()) return;
        clearInterval(foregroundTimer);
        running.lowerPriority(constants.priority.PRIORITY_LOW);
      }, FOREGROUND_MS);
      const program = await Promise.race([compileBy(running, filter, dlt), turn.evicted]);
      this.remember(filter, dlt, program);
      return program;
    } finally {
      signal.removeEventListener('abort', onAbort);
      clearInterval(foregroundTimer);
      compiler?.kill();
      turn.end();
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

  /** The program, which becomes the most recently used one. */
  private cached(filter: string, dlt: number): Uint8Array | undefined {
    const program = this.cache.get(`${dlt} ${filter}`);
    if (program) this.remember(filter, dlt, program);
    return program;
  }

  /** Evicts the least recently used filter when the cache is full. */
  private remember(filter: string, dlt: number, program: Uint8Array): void {
    const key = `${dlt} ${filter}`;
    this.cache.delete(key);
    this.cache.set(key, program);
    const [oldest] = this.cache.keys();
    if (this.cache.size > MAX_CACHED && oldest !== undefined) this.cache.delete(oldest);
  }
}

async function compileBy(compiler: CompilerProcess, filter: string, dlt: number): Promise<Uint8Array> {
  try {
    const answer = await compiler.compile({ filter, dlt, snapshotLength: MAX_SNAPSHOT_LENGTH });
    if ('error' in answer) throw new FilterError(String(answer.error).slice(0, MAX_ERROR_LENGTH));
    const program = Buffer.from(answer.program, 'base64');
    if (program.length > MAX_PROGRAM_BYTES) throw new FilterError('its program is too long', true);
    return program;
  } catch (error) {
    throw error instanceof CompileTimeoutError ? new FilterError(error.message, true) : error;
  }
}
