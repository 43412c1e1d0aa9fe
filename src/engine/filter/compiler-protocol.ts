/*
 * Not in compiler-main.ts, which loads libpcap: an engine on a machine without libpcap must be able to load this.
 */

/** First line on the standard output of the process; its deadline for compiling counts from there. */
export const COMPILER_READY = 'ready';

/** The request to the process: one line of JSON on its standard input. */
export interface CompileRequest {
  readonly filter: string;
  /** A DLT_ value. */
  readonly dlt: number;
  readonly snapshotLength: number;
}

/** Its answer, one line of JSON: instructions in base64, or the message of libpcap's compiler. */
export type CompileAnswer = { readonly program: string } | { readonly error: string };
