/** What a compiler process says first, as a line on its standard output: from now on the clock is running. */
export const COMPILER_READY = 'ready';

/** What an engine asks of it, as one line of JSON on its standard input. */
export interface CompileRequest {
  readonly filter: string;
  /** A DLT_ value. */
  readonly linkType: number;
  readonly snapshotLength: number;
}

/** And what it answers, as one line of JSON: instructions in base64, or the compiler's message. */
export type CompileAnswer = { readonly program: string } | { readonly error: string };
