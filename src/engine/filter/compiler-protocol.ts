/** What an engine asks of a filter compiler process, as one line of JSON on its standard input. */
export interface CompileRequest {
  readonly filter: string;
  /** A DLT_ value. */
  readonly linkType: number;
  readonly snapshotLength: number;
}

/** And what it answers, as one line on its standard output: instructions in base64, or the compiler's message. */
export type CompileAnswer = { readonly program: string } | { readonly error: string };
