import { MAX_FILTER_BYTES } from '../../shared/protocol/limits.js';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { askCompiler, type CompileGreeting, type CompileReply } from '../../shared/protocol/compile.js';
import { ProtocolError } from '../../shared/protocol/lines.js';
import { logDefect } from '../log.js';
import { FilterError, type Compiler } from './filter-compiler.js';

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
      const reply = await askCompiler(this.path, { type: 'compile', filter, dlt, client }, signal);
      signal.throwIfAborted();
      if (!reply && attempt < RETRIES) await sleep(RETRY_MS);
      else if (!reply) throw new Error('the engine that compiles filters is not available');
      else if ('failure' in reply) throw new Error(reply.failure);
      else if ('error' in reply) throw new FilterError(reply.error, reply.tooExpensive);
      else return Buffer.from(reply.program, 'base64');
    }
  }
}

function line(message: CompileReply): string {
  return `${JSON.stringify(message)}\n`;
}
