import { request, type Agent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { BodyTooLargeError, readBody } from '../../shared/http/bounded-body.js';

/** 10,000 containers with long labels are 20 MB. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** An engine's answer is none that we can use; the message completes "the engine ...". */
export class EngineError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
  }
}

export interface EngineAnswer {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/**
 * Asks an engine's programming interface, which is HTTP over a unix socket.
 *
 * @throws EngineError, or the signal's reason
 */
export async function getFromEngine(
  socketPath: string,
  path: string,
  signal: AbortSignal,
  agent?: Agent,
): Promise<EngineAnswer> {
  try {
    const response = await respond(socketPath, path, signal, agent);
    if (response.statusCode !== 200) {
      response.destroy();
      throw new EngineError(`answered with HTTP status ${response.statusCode}`);
    }
    return { headers: response.headers, body: await readBody(response, MAX_BODY_BYTES) };
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw cause instanceof EngineError ? cause : asEngineError(cause as NodeJS.ErrnoException);
  }
}

function respond(
  socketPath: string,
  path: string,
  signal: AbortSignal,
  agent: Agent | undefined,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request({ socketPath, path, agent: agent ?? false, signal, headers: { host: 'localhost' } })
    .on('response', resolve)
    // Stays for good: a reset may come after the response, too.
    .on('error', reject)
    .end();
  return promise;
}

function asEngineError(cause: NodeJS.ErrnoException): EngineError {
  if (cause instanceof BodyTooLargeError) return new EngineError('answered with far too much', { cause });
  switch (cause.code) {
    case 'EACCES':
    case 'EPERM':
      return new EngineError('denies access', { cause });
    case 'ECONNREFUSED':
    case 'ENOENT':
      return new EngineError('does not run', { cause });
    default:
      return new EngineError(`did not answer properly (${cause.code ?? cause.message})`, { cause });
  }
}
