import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** The GhostWire page shows its capture buttons only where this header says so; nobody but us may. */
export const ENABLE_MONOLITH = { name: 'Enable-Monolith', value: 'Affirmative, Dave' } as const;

/** The underscore, too: some frameworks see no difference. */
const IS_ENABLE_MONOLITH = /^enable[-_]monolith$/i;

/**
 * Fields that are between two neighbours only; RFC 9110, 7.6.1. What frames the body is our server's and our client's
 * business: Transfer-Encoding of a request stays, because Node's client takes it as the wish to send chunks.
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

/** Fields that say where a body ends: no peer can have them dropped by naming them in `Connection`. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding']);

/** Fields that make no sense after the body, or do harm there; RFC 9110, 6.5.1. */
const NO_TRAILERS: ReadonlySet<string> = new Set([
  ...['host', 'trailer', 'authorization', 'cookie', 'set-cookie'],
  ...['content-encoding', 'content-type', 'content-range'],
]);

/** What GhostWire gets to see of a request's headers; `Host` and `Enable-Monolith` are set elsewhere. */
export function forwardedHeaders(request: IncomingMessage, websocket: boolean): IncomingHttpHeaders {
  const given = request.headers;
  const named = namedIn(given.connection);
  const headers: IncomingHttpHeaders = Object.fromEntries(
    Object.entries(given).filter(
      ([name]) => (FRAMING.has(name) || isEndToEnd(name, named)) && !IS_ENABLE_MONOLITH.test(name),
    ),
  );
  // Node's server has answered "100 Continue" already.
  delete headers.expect;
  if (websocket) return { ...headers, connection: 'Upgrade', upgrade: 'websocket' };
  if (listOf(given.te).includes('trailers')) headers.te = 'trailers';
  if (headers['transfer-encoding'] === undefined) {
    // Only chunked bodies have trailers, and Node throws on the announcement of others.
    delete headers.trailer;
    // Or Node's client sends "no body" as an empty chunked one.
    if (request.method !== 'GET' && request.method !== 'HEAD') headers['content-length'] ??= '0';
  }
  return headers;
}

/**
 * What our client gets to see of an answer's headers, as Node's flat list: names in their case, duplicates kept.
 *
 * @param trailers whether the answer can have any; Node throws on the announcement of others
 */
export function returnedHeaders(answer: IncomingMessage, trailers: boolean): string[] {
  const named = namedIn(answer.headers.connection);
  return pairsOf(answer.rawHeaders)
    .filter(([name]) => {
      const lowerCase = name.toLowerCase();
      if (lowerCase === 'trailer') return trailers;
      // Node's server frames the body anew.
      return lowerCase !== 'transfer-encoding' && (FRAMING.has(lowerCase) || isEndToEnd(lowerCase, named));
    })
    .flat();
}

/** Trailers that may travel on, as names and values. */
export function forwardedTrailers(message: IncomingMessage): [name: string, value: string][] {
  return pairsOf(message.rawTrailers).filter(([name]) => {
    const lowerCase = name.toLowerCase();
    if (HOP_BY_HOP.has(lowerCase) || FRAMING.has(lowerCase) || NO_TRAILERS.has(lowerCase)) return false;
    return !IS_ENABLE_MONOLITH.test(lowerCase);
  });
}

function isEndToEnd(name: string, named: readonly string[]): boolean {
  return !HOP_BY_HOP.has(name) && !named.includes(name);
}

/** The fields that a `Connection` header makes hop-by-hop. */
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
