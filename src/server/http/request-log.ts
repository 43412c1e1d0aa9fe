import { Logger } from '@nestjs/common';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { clientOf } from './client-address.js';

/** The context of request lines in the log. */
export const REQUEST_CONTEXT = 'Request';

/** Names of headers and query parameters that carry credentials; some API servers accept tokens as a subprotocol. */
const CREDENTIAL =
  /auth|cookie|token|secret|passw|api-?key|credential|session|signature|jwt|bearer|^sec-websocket-protocol$/i;

/** Hostile requests can have 256 KiB of headers. */
const MAX_HEADER_LENGTH = 200;
const MAX_HEADERS = 100;

/** Logs one line per HTTP and websocket request. @param withHeaders includes the request headers */
export function logRequests(server: Server, withHeaders: boolean): void {
  const logger = new Logger(REQUEST_CONTEXT);
  const describe = (request: IncomingMessage): ((outcome: number | string) => void) => {
    const fields = {
      method: request.method,
      target: redactedTarget(request.url ?? ''),
      client: clientOf(request.socket),
      headers: withHeaders ? redactedHeaders(request.headers) : undefined,
    };
    return (outcome) => logger.log({ message: 'request', ...fields, outcome });
  };
  // Before all other listeners, because these may change the target and the headers of the request.
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const log = describe(request);
    response.once('close', () => log(response.writableEnded ? response.statusCode : 'broken off'));
  });
  server.prependListener('upgrade', (request: IncomingMessage) => describe(request)('upgrade'));
}

/** The first headers of a request, with credentials redacted and long values cut. */
export function redactedHeaders(headers: IncomingMessage['headers']): Record<string, string> {
  const entries = Object.entries(headers).slice(0, MAX_HEADERS);
  return Object.fromEntries(
    entries.map(([name, value]) => [excerptOf(name), redactedValue(name, String(value))]),
  );
}

function redactedValue(name: string, value: string): string {
  // The value may be a URL, as in Referer.
  return excerptOf(CREDENTIAL.test(name) ? '(redacted)' : redactedTarget(value));
}

function excerptOf(text: string): string {
  return text.length > MAX_HEADER_LENGTH ? `${text.slice(0, MAX_HEADER_LENGTH)}…` : text;
}

/** A request target or URL with the credentials in its query and before its host redacted. */
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
