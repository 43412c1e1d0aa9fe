import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { addressLiteral } from '../../../shared/protocol/tcp-endpoint.js';
import { originForm, pathOf } from '../../http/request-target.js';

/** GhostWire as a whole is served below this path; elsewhere, it gets the paths that this service does not use. */
export const DISCOVERY_PREFIX = '/discover';

/** The GhostWire page shows its capture buttons only if it gets this header. Clients must not be able to set it. */
export const ENABLE_MONOLITH = { name: 'Enable-Monolith', value: 'Affirmative, Dave' } as const;

/** Some frameworks do not distinguish the underscore from the hyphen. */
const IS_ENABLE_MONOLITH = /^enable[-_]monolith$/i;

/**
 * Fields that apply to a single connection (RFC 9110, section 7.6.1) and must not be forwarded, although the library
 * forwards them (http-party/node-http-proxy issue 1488). Transfer-Encoding is not among them: Node.js's client needs
 * that of a request in order to send chunks, and Node.js's server sets that of an answer itself.
 */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'upgrade',
]);

/** Fields that delimit the body. A peer must not be able to remove them by naming them in `Connection`. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding']);

/** Fields that are meaningless or dangerous in trailers; RFC 9110, section 6.5.1. */
const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  ...['host', 'trailer', 'authorization', 'cookie', 'set-cookie'],
  ...['content-encoding', 'content-type', 'content-range'],
]);

/**
 * The request target for GhostWire: without our prefix, the rest byte for byte. It always begins with a slash, so that
 * it is always a path and never another host. Undefined for a target without a path.
 */
export function upstreamTarget(target: string): string | undefined {
  const origin = originForm(target);
  const path = pathOf(target);
  if (origin === undefined || path === undefined) return undefined;
  if (path !== DISCOVERY_PREFIX && !path.startsWith(`${DISCOVERY_PREFIX}/`)) return origin;
  const rest = origin.slice(DISCOVERY_PREFIX.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** The headers of a request that are forwarded to GhostWire. The library sets `Host` and `Enable-Monolith`. */
export function forwardedHeaders(request: IncomingMessage, websocket: boolean): IncomingHttpHeaders {
  const given = request.headers;
  const named = namedIn(given.connection);
  const headers: IncomingHttpHeaders = Object.fromEntries(
    Object.entries(given).filter(
      ([name]) => (FRAMING.has(name) || isEndToEnd(name, named)) && !IS_ENABLE_MONOLITH.test(name),
    ),
  );
  headers['x-forwarded-for'] = [
    headers['x-forwarded-for'],
    addressLiteral(request.socket.remoteAddress ?? ''),
  ]
    .filter((address) => address)
    .join(', ');
  // Node.js's server has already answered with "100 Continue".
  delete headers.expect;
  if (websocket) return { ...headers, connection: 'Upgrade', upgrade: 'websocket' };
  if (listOf(given.te).includes('trailers')) headers.te = 'trailers';
  if (headers['transfer-encoding'] === undefined) {
    // Only chunked bodies have trailers; for others Node.js throws on a Trailer field.
    delete headers.trailer;
    // Without it, Node.js's client sends an empty chunked body.
    if (request.method !== 'GET' && request.method !== 'HEAD') headers['content-length'] ??= '0';
  }
  return headers;
}

/**
 * Sends an answer of GhostWire to the client as it arrives: the headers at once, since event streams may be quiet at
 * first, then body and trailers, with back-pressure. The library ends either side with the other. It cannot pass the
 * headers on itself (`selfHandleResponse`), because it omits trailers, repeated fields and the case of their names.
 *
 * @throws the error of Node.js's server for an invalid status, before anything was sent
 */
export function passAnswer(
  answer: IncomingMessage,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const status = answer.statusCode ?? 0;
  const headers = returnedHeaders(answer, mayHaveTrailers(answer, request, status));
  response.writeHead(status, answer.statusMessage, headers);
  // Sends the headers as latin1, as they were received; `flushHeaders` would encode them as UTF-8.
  response.write(Buffer.alloc(0));
  // Must be registered before `pipe`, which ends the response: trailers cannot be added after that.
  answer.once('end', () => response.addTrailers(forwardedTrailers(answer)));
  answer.pipe(response);
}

/** The headers of an answer whose body was replaced by one of that length. */
export function headersWithLength(answer: IncomingMessage, bytes: number): string[] {
  const others = pairsOf(returnedHeaders(answer, false)).filter(([name]) => {
    const lowerCase = name.toLowerCase();
    return lowerCase !== 'content-length' && lowerCase !== 'etag' && lowerCase !== 'content-md5';
  });
  return [...others.flat(), 'Content-Length', String(bytes)];
}

/** Whether the answer is sent in chunks, which trailers can follow. */
function mayHaveTrailers(answer: IncomingMessage, request: IncomingMessage, status: number): boolean {
  const hasBody = request.method !== 'HEAD' && status !== 204 && status !== 304;
  const chunked = answer.headers['transfer-encoding'] !== undefined && request.httpVersion === '1.1';
  return hasBody && chunked;
}

/** The headers of an answer for the client, as a flat list, which keeps repeated fields and the case of their names. */
function returnedHeaders(answer: IncomingMessage, trailers: boolean): string[] {
  const named = namedIn(answer.headers.connection);
  return pairsOf(answer.rawHeaders)
    .filter(([name]) => {
      const lowerCase = name.toLowerCase();
      if (lowerCase === 'trailer') return trailers;
      // Node.js's server sets its own.
      return lowerCase !== 'transfer-encoding' && (FRAMING.has(lowerCase) || isEndToEnd(lowerCase, named));
    })
    .flat();
}

/** The trailers of a message that are forwarded, as names and values. */
export function forwardedTrailers(message: IncomingMessage): [name: string, value: string][] {
  return pairsOf(message.rawTrailers).filter(([name]) => {
    const lowerCase = name.toLowerCase();
    if (HOP_BY_HOP.has(lowerCase) || FRAMING.has(lowerCase) || FORBIDDEN_TRAILERS.has(lowerCase))
      return false;
    return !IS_ENABLE_MONOLITH.test(lowerCase);
  });
}

function isEndToEnd(name: string, named: readonly string[]): boolean {
  return !HOP_BY_HOP.has(name) && !named.includes(name);
}

/** The fields that a `Connection` header limits to this connection. */
function namedIn(connection: string | undefined): string[] {
  return listOf(connection).filter((name) => !FRAMING.has(name));
}

function listOf(header: string | string[] | undefined): string[] {
  return String(header ?? '')
    .split(',')
    .map((element) => element.trim().toLowerCase());
}

function pairsOf(raw: readonly string[]): [name: string, value: string][] {
  return raw.flatMap((name, index) => (index % 2 === 0 ? [[name, raw[index + 1] ?? '']] : []));
}
