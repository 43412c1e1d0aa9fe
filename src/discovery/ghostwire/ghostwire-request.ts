import { request, type IncomingMessage } from 'node:http';
import { TargetDirectoryError } from '../target-directory.js';

/** Where GhostWire is, and what it may cost to ask it. */
export interface GhostwireOptions {
  /** Host name or IP address of the GhostWire service. */
  readonly service: string;
  readonly gwPort: number;
  /** For the whole exchange, from the connect to the last byte of the body. */
  readonly timeoutMs?: number;
  readonly maxBodyBytes?: number;
}

const DEFAULT_TIMEOUT_MS = 20_000;
const DEFAULT_MAX_BODY_BYTES = 32 * 1024 * 1024;

/**
 * Gets a document from GhostWire, as text. Redirects are not followed: nobody but the configured service is to be
 * asked, least of all with this host's view of the network.
 *
 * @param signal gives up; the promise then rejects with its reason
 * @throws TargetDirectoryError telling unreachable, timed out, HTTP status, too large and broken off apart
 */
export async function getFromGhostwire(
  options: GhostwireOptions,
  path: string,
  signal: AbortSignal,
): Promise<string> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const timeout = AbortSignal.timeout(timeoutMs);
  const progress = { connected: false };
  try {
    const response = await respond(options, path, AbortSignal.any([signal, timeout]), progress);
    return await readBody(response, options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES);
  } catch (cause) {
    if (cause instanceof TargetDirectoryError) throw cause;
    if (signal.aborted) throw signal.reason;
    const reason = progress.connected ? 'failed' : 'unreachable';
    throw new TargetDirectoryError(
      timeout.aborted
        ? `GhostWire timed out after ${timeoutMs / 1000} s${at(options)}`
        : progress.connected
          ? `GhostWire broke off its answer (${codeOf(cause)})${at(options)}`
          : `GhostWire cannot be reached (${codeOf(cause)})${at(options)}`,
      { cause, reason },
    );
  }
}

function respond(
  { service, gwPort }: GhostwireOptions,
  path: string,
  signal: AbortSignal,
  progress: { connected: boolean },
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request({
    host: service.replace(/^\[(.*)\]$/, '$1'),
    port: gwPort,
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

async function readBody(response: IncomingMessage, maxBytes: number): Promise<string> {
  try {
    if (response.statusCode !== 200) {
      throw new TargetDirectoryError(`GhostWire answered with HTTP status ${response.statusCode}`);
    }
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of response as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > maxBytes)
        throw new TargetDirectoryError(`GhostWire's answer is too large: over ${maxBytes} bytes`);
      pieces.push(piece);
    }
    return Buffer.concat(pieces, bytes).toString('utf8');
  } finally {
    // Without effect on a response that was read to its end; ends the connection of any other.
    response.destroy();
  }
}

/** Last in the message, because a close reason is cut at its end. */
function at({ service, gwPort }: GhostwireOptions): string {
  return `: ${service} port ${gwPort}`;
}

function codeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return code ?? 'unknown error';
}
