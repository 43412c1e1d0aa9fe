import { Logger } from '@nestjs/common';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { addressLiteral } from '../capture/own-connection.js';

/** Headers and query parameters that let their reader in somewhere. */
const CREDENTIAL = /auth|cookie|token|secret|passw|api-?key|credential|session/i;

/** A log line is for reading; interface lists and hostile requests can be 256 KiB. */
const MAX_TEXT_LENGTH = 2_000;

/** Logs one line per HTTP and websocket request, with `withHeaders` also what its headers were. */
export function logRequests(server: Server, withHeaders: boolean): void {
  const logger = new Logger('Request');
  const describe = (request: IncomingMessage): ((outcome: string) => void) => {
    const { remoteAddress = 'nobody', remotePort } = request.socket;
    const from = `${addressLiteral(remoteAddress)} port ${remotePort}`;
    const target = JSON.stringify(cut(redactedTarget(request.url ?? '')));
    const headers = withHeaders ? ` ${cut(redactedHeaders(request.headers))}` : '';
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
  return JSON.stringify(
    Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, CREDENTIAL.test(name) ? '(redacted)' : value]),
    ),
  );
}

/** The request target, credentials in its query made unreadable. */
export function redactedTarget(target: string): string {
  return target.replace(/([?&])([^=&]*)=([^&]*)/g, (pair, separator: string, name: string) =>
    CREDENTIAL.test(name) ? `${separator}${name}=(redacted)` : pair,
  );
}

function cut(text: string): string {
  return text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text;
}
