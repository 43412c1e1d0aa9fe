/** Writes one line for the operator. */
export type Log = (line: string) => void;

/** Standard error, because standard output belongs to nobody here; a reader that went away is no error. */
export const logToStandardError: Log = (line) => console.error(`[supervisor] ${line}`);
