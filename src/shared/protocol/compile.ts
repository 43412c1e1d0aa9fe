import { connect } from 'node:net';
import { LineReader, parseMessage } from './lines.js';

/*
 * One engine compiles capture filters for all engines, so that there is one limit of compiler processes, and one order of
 * clients; and for the server, which asks what is wrong with a filter. A connection to its socket asks for one filter. It
 * ends with the answer, or when that is not needed any more.
 */

/** First line of the connection. */
export interface CompileGreeting {
  readonly type: 'compile';
  readonly filter: string;
  /** A DLT_ value. */
  readonly dlt: number;
  /** On whose behalf, for fairness. */
  readonly client: string;
}

/** The answer: instructions in base64, what is wrong with the filter, or why it could not be compiled. */
export type CompileReply =
  | { readonly program: string }
  | { readonly error: string; readonly tooExpensive: boolean }
  | { readonly failure: string };

/** @returns undefined when the connection ends without an answer, or the signal is aborted */
export async function askCompiler(
  path: string,
  greeting: CompileGreeting,
  signal: AbortSignal,
): Promise<CompileReply | undefined> {
  const { promise, resolve } = Promise.withResolvers<CompileReply | undefined>();
  const lines = new LineReader();
  const socket = connect(path);
  const onAbort = (): void => void socket.destroy();
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();
  socket.on('error', () => undefined); // 'close' follows
  socket.on('close', () => resolve(undefined));
  socket.on('data', (chunk: Buffer) => {
    try {
      const [first] = lines.push(chunk);
      if (first !== undefined) resolve(parseMessage(first) as CompileReply);
    } catch {
      socket.destroy(); // a ProtocolError
    }
  });
  socket.write(`${JSON.stringify(greeting)}\n`);
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
    socket.destroy();
  }
}
