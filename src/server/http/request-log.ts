import { Logger } from '@nestjs/common';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { clientOf } from './own-connection.js';

/** What the log of requests calls itself. */
export const REQUEST_CONTEXT = 'Request';

/** Headers and query parameters that let their reader in somewhere; API servers take tokens as a subprotocol, too. */
const CREDENTIAL =
  /auth|cookie|token|secret|passw|api-?key|credential|session|signature|jwt|bearer|^sec-websocket-protocol$/i;

/** A log line is for reading; hostile requests can be 256 KiB. */
const MAX_HEADER_LENGTH = 200;
const MAX_HEADERS = 100;

/** Logs one line per HTTP and websocket request, with `withHeaders` also what its headers were. */
export function logRequests(server: Server, withHeaders: boolean): void {
  const logger = new Logger(REQUEST_CONTEXT);
  const describe = (request: IncomingMessage): ((outcome: number | string) => void) => {
    const facts = {
      method: request.method,
      target: redactedTarget(request.url ?? ''),
      client: clientOf(request.socket),
      headers: withHeaders ? redactedHeaders(request.headers) : undefined,
    };
    return (outcome) => logger.log({ message: 'request', ...facts, outcome });
  };
  // Ahead of everybody else: those who serve a request may change its target and headers.
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const log = describe(request);
    response.once('close', () => log(response.writableEnded ? response.statusCode : 'broken off'));
  });
  server.prependListener('upgrade', (request: IncomingMessage) => describe(request)('upgrade'));
}

/** The headers as they came, as far as they are of interest, credentials left out. */
export function redactedHeaders(headers: IncomingMessage['headers']): Record<string, string> {
  const entries = Object.entries(headers).slice(0, MAX_HEADERS);
  return Object.fromEntries(
    entries.map(([name, value]) => [excerptOf(name), redactedValue(name, String(value))]),
  );
}

function redactedValue(name: string, value: string): string {
  // Values such as that of Referer may be URLs.
  return excerptOf(CREDENTIAL.test(name) ? '(redacted)' : redactedTarget(value));
}

function excerptOf(text: string): string {
  return text.length > MAX_HEADER_LENGTH ? `${text.slice(0, MAX_HEADER_LENGTH)}…` : text;
}

/** A request target or URL, credentials in its query and before its host made unreadable. */
export function redactedTarget(target: string): string {
  return target
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1(redacted)@')
    .replace(/([?&])([^=&]*)=([^&]*)/g, (pair, separator: string, name: string) =>
      CREDENTIAL.test(decoded(name)) ? `${separator}${name}=(redacted)` : pair,
    );
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
