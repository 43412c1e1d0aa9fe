import { request, type IncomingMessage } from 'node:http';
import { BodyTooLargeError, readBody } from '../../shared/http/bounded-body.js';
import { TargetDirectoryError } from './target-directory.js';

/** A document that some service has, and what it may cost to get it. */
export interface HttpDocument {
  /** Whose it is; messages begin with it. */
  readonly who: string;
  /** Where that is. Last in messages, because a close reason is cut at its end. */
  readonly where: string;
  readonly connection: { readonly host: string; readonly port: number } | { readonly socketPath: string };
  readonly path: string;
  /** For the whole exchange, from the connect to the last byte of the body. */
  readonly timeoutMs?: number;
  readonly maxBodyBytes?: number;
}

const DEFAULT_TIMEOUT_MS = 20_000;
const DEFAULT_MAX_BODY_BYTES = 32 * 1024 * 1024;

/**
 * Gets a document, as text. Redirects are not followed: nobody but the configured service is to be asked, least of
 * all with this host's view of the network.
 *
 * @param signal gives up; the promise then rejects with its reason
 * @throws TargetDirectoryError telling unreachable, timed out, HTTP status, too large and broken off apart
 */
export async function getDocument(document: HttpDocument, signal: AbortSignal): Promise<string> {
  const { who, where, timeoutMs = DEFAULT_TIMEOUT_MS, maxBodyBytes = DEFAULT_MAX_BODY_BYTES } = document;
  const timeout = AbortSignal.timeout(timeoutMs);
  const progress = { connected: false };
  try {
    const response = await respond(document, AbortSignal.any([signal, timeout]), progress);
    if (response.statusCode !== 200) {
      response.destroy();
      throw new TargetDirectoryError(`${who} answered with HTTP status ${response.statusCode}`);
    }
    return await readBody(response, maxBodyBytes);
  } catch (cause) {
    if (cause instanceof TargetDirectoryError) throw cause;
    if (signal.aborted) throw signal.reason;
    if (cause instanceof BodyTooLargeError) {
      throw new TargetDirectoryError(`${who}'s answer is too large: over ${maxBodyBytes} bytes`, { cause });
    }
    const reason = progress.connected ? 'failed' : 'unreachable';
    throw new TargetDirectoryError(
      timeout.aborted
        ? `${who} timed out after ${timeoutMs / 1000} s: ${where}`
        : progress.connected
          ? `${who} broke off its answer (${codeOf(cause)}): ${where}`
          : `${who} cannot be reached (${codeOf(cause)}): ${where}`,
      { cause, reason },
    );
  }
}

function respond(
  { connection, path }: HttpDocument,
  signal: AbortSignal,
  progress: { connected: boolean },
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request({
    ...connection,
    path,
    headers: { accept: 'application/json', 'accept-encoding': 'identity' },
    // A connection of its own: one that was kept alive may be half-dead, which costs a retry to find out.
    agent: false,
    signal,
  })
    .on('socket', (socket) => socket.once('connect', () => (progress.connected = true)))
    .on('response', resolve)
    // Stays for good: a reset may come after the response, too.
    .on('error', reject)
    .end();
  return promise;
}

function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return code ?? 'unknown error';
}
