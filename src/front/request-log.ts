import { Logger } from '@nestjs/common';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { addressLiteral } from '../capture/own-connection.js';
import { quotedText } from '../logging/quoted-text.js';

/** What the log of requests calls itself. */
export const REQUEST_CONTEXT = 'Request';

/** Headers and query parameters that let their reader in somewhere; API servers take tokens as a subprotocol, too. */
const CREDENTIAL =
  /auth|cookie|token|secret|passw|api-?key|credential|session|signature|jwt|bearer|^sec-websocket-protocol$/i;

/** A log line is for reading; interface lists and hostile requests can be 256 KiB. */
const MAX_TARGET_LENGTH = 2_000;
const MAX_HEADER_LENGTH = 200;
const MAX_HEADERS = 100;

/** Logs one line per HTTP and websocket request, with `withHeaders` also what its headers were. */
export function logRequests(server: Server, withHeaders: boolean): void {
  const logger = new Logger(REQUEST_CONTEXT);
  const describe = (request: IncomingMessage): ((outcome: string) => void) => {
    const { remoteAddress = 'nobody', remotePort } = request.socket;
    const from = `${addressLiteral(remoteAddress)} port ${remotePort}`;
    const target = quotedText(redactedTarget(request.url ?? ''), MAX_TARGET_LENGTH);
    const headers = withHeaders ? ` ${redactedHeaders(request.headers)}` : '';
    return (outcome) => logger.log(`${request.method} ${target} from ${from}: ${outcome}${headers}`);
  };
  // Ahead of everybody else: those who serve a request may change its target and headers.
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const log = describe(request);
    response.once('close', () => log(response.writableEnded ? `${response.statusCode}` : 'broken off'));
  });
  server.prependListener('upgrade', (request: IncomingMessage) => describe(request)('upgrade'));
}

/** The headers as JSON, in one line whatever they hold, credentials made unreadable. */
export function redactedHeaders(headers: IncomingMessage['headers']): string {
  const entries = Object.entries(headers).slice(0, MAX_HEADERS);
  return `{${entries.map(([name, value]) => `${quotedText(name)}:${redactedValue(name, String(value))}`).join(',')}}`;
}

function redactedValue(name: string, value: string): string {
  // Values such as that of Referer may be URLs.
  return quotedText(CREDENTIAL.test(name) ? '(redacted)' : redactedTarget(value), MAX_HEADER_LENGTH);
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
