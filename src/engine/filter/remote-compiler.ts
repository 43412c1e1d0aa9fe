import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_FILTER_BYTES } from '../../shared/protocol/capture-spec.js';
import { LineReader, parseMessage, ProtocolError } from '../../shared/protocol/lines.js';
import { logDefect } from '../log.js';
import { FilterError, type Compiler } from './filter-compiler.js';

/*
 * One engine compiles the filters of all engines, so that there is one limit of compiler processes, and one order of clients.
 * The others connect to its socket. The connection ends with the answer, or when it is not needed any more.
 */

/** First line of the connection. */
export interface CompileGreeting {
  readonly type: 'compile';
  readonly filter: string;
  readonly dlt: number;
  readonly client: string;
}

/** The answer: instructions in base64, what is wrong with the filter, or why it could not be compiled. */
type CompileReply =
  | { readonly program: string }
  | { readonly error: string; readonly tooExpensive: boolean }
  | { readonly failure: string };

/** The other engine may be restarting. */
const RETRY_MS = 100;
const RETRIES = 50;
const MAX_CLIENT_LENGTH = 64;

/** Answers an engine that asks for a program. @throws ProtocolError */
export function serveCompilation(
  socket: Socket,
  { filter, dlt, client }: Partial<Record<keyof CompileGreeting, unknown>>,
  compiler: Compiler,
): void {
  if (typeof filter !== 'string' || Buffer.byteLength(filter) > MAX_FILTER_BYTES) {
    throw new ProtocolError('no filter, or one that is too long');
  }
  if (typeof dlt !== 'number' || typeof client !== 'string' || client.length > MAX_CLIENT_LENGTH) {
    throw new ProtocolError('a filter without a link type or a client');
  }
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  void compiler.compile(filter, dlt, client, gone.signal).then(
    (program) => socket.end(line({ program: Buffer.from(program).toString('base64') })),
    (error: unknown) => {
      if (gone.signal.aborted) return;
      if (error instanceof FilterError) {
        socket.end(line({ error: error.message, tooExpensive: error.tooExpensive }));
        return;
      }
      logDefect('a filter cannot be compiled', error);
      socket.end(line({ failure: (error as Error).message }));
    },
  );
}

/** The compiler of another engine. */
export class RemoteCompiler implements Compiler {
  /** @param path of that engine's unix socket */
  constructor(private readonly path: string) {}

  async compile(filter: string, dlt: number, client: string, signal: AbortSignal): Promise<Uint8Array> {
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      const reply = await this.ask({ type: 'compile', filter, dlt, client }, signal);
      signal.throwIfAborted();
      if (!reply && attempt < RETRIES) await sleep(RETRY_MS);
      else if (!reply) throw new Error('the engine that compiles filters is not available');
      else if ('failure' in reply) throw new Error(reply.failure);
      else if ('error' in reply) throw new FilterError(reply.error, reply.tooExpensive);
      else return Buffer.from(reply.program, 'base64');
    }
  }

  /** @returns undefined when the connection ends without an answer */
  private async ask(greeting: CompileGreeting, signal: AbortSignal): Promise<CompileReply | undefined> {
    const { promise, resolve } = Promise.withResolvers<CompileReply | undefined>();
    const lines = new LineReader();
    const socket = connect(this.path);
    const onAbort = (): void => void socket.destroy();
    signal.addEventListener('abort', onAbort);
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
    socket.write(line(greeting));
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
    }
  }
}

function line(message: CompileGreeting | CompileReply): string {
  return `${JSON.stringify(message)}\n`;
}
