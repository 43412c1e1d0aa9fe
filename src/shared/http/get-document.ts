import { request, type Agent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { readBody } from './read-body.js';

/** Where an HTTP server listens: at a TCP port, or at a unix socket. */
export type HttpAddress = { readonly host: string; readonly port: number } | { readonly socketPath: string };

/** What to request, and the limits of the exchange. */
export interface DocumentRequest {
  readonly address: HttpAddress;
  readonly path: string;
  /** Default: `GET`. */
  readonly method?: 'GET' | 'HEAD';
  /** Limit of the whole exchange, from connecting to the last byte of the body; absent: only `signal` limits it. */
  readonly timeoutMs?: number;
  readonly maxBodyBytes: number;
  /**
   * Keeps connections alive between requests. Default: each request has a connection of its own, since a kept one may
   * turn out to be half-open, which would take a retry.
   */
  readonly agent?: Agent;
  /** Aborts the exchange. */
  readonly signal?: AbortSignal;
}

/** The document that a server sent with status 200. */
export interface HttpDocument {
  readonly headers: IncomingHttpHeaders;
  /** Decoded as UTF-8. */
  readonly body: string;
}

/**
 * Why there is no document:
 * - `unreachable`: the connection could not be established,
 * - `timeout`: the exchange took longer than `timeoutMs`,
 * - `status`: the server answered with a status other than 200,
 * - `too-large`: the body is longer than `maxBodyBytes`,
 * - `aborted`: `signal` was aborted; `cause` is its reason,
 * - `broken`: the connection broke, or the answer was not HTTP.
 */
export type DocumentFailure = 'unreachable' | 'timeout' | 'status' | 'too-large' | 'aborted' | 'broken';

/** Why `getDocument` failed, as facts: callers word their own messages. */
export class DocumentError extends Error {
  /** HTTP status, for the reason `status`. */
  readonly status?: number;
  /** The system's or Node's error code, such as `ECONNREFUSED` or `HPE_INVALID_CONSTANT`. */
  readonly code?: string;

  /** @param connected whether the server had accepted the connection */
  constructor(
    readonly reason: DocumentFailure,
    readonly connected: boolean,
    { cause, status }: { readonly cause?: unknown; readonly status?: number } = {},
  ) {
    super(`no document: ${reason}`, { cause });
    this.name = 'DocumentError';
    if (status !== undefined) this.status = status;
    const code = (cause as NodeJS.ErrnoException | undefined)?.code;
    if (typeof code === 'string') this.code = code;
  }
}

/**
 * Requests a document over HTTP. Redirects are not followed: only the server at `address` is asked.
 *
 * @throws DocumentError
 */
export async function getDocument(wanted: DocumentRequest): Promise<HttpDocument> {
  const { timeoutMs, maxBodyBytes, signal } = wanted;
  const timeout = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
  const limits = [signal, timeout].filter((limit) => limit !== undefined);
  const connection = { established: false };
  try {
    const response = await respond(wanted, AbortSignal.any(limits), connection);
    if (response.statusCode !== 200) {
      response.destroy();
      throw new DocumentError('status', true, { status: response.statusCode ?? 0 });
    }
    const body = await readBody(response, maxBodyBytes, () => new DocumentError('too-large', true));
    return { headers: response.headers, body };
  } catch (cause) {
    const { established } = connection;
    // First of all: an abort shows as various errors, depending on how far the exchange had come.
    if (signal?.aborted) throw new DocumentError('aborted', established, { cause: signal.reason });
    if (cause instanceof DocumentError) throw cause;
    if (timeout?.aborted) throw new DocumentError('timeout', established, { cause });
    throw new DocumentError(established ? 'broken' : 'unreachable', established, { cause });
  }
}

function respond(
  { address, path, method = 'GET', agent }: DocumentRequest,
  signal: AbortSignal,
  connection: { established: boolean },
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const headers = { accept: 'application/json', 'accept-encoding': 'identity' };
  request({ ...address, path, method, headers, agent: agent ?? false, signal })
    .on('socket', (socket) => {
      // A socket that the agent has kept alive is connected already and emits no `connect`.
      connection.established = !socket.connecting;
      socket.once('connect', () => (connection.established = true));
    })
    .on('response', resolve)
    // Never removed: Node may emit an error after the response, too, when the server resets the connection.
    .on('error', reject)
    .end();
  return promise;
}
