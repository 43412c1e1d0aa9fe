import { ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { DiscoveryConfig } from '../../config/discovery.config.js';
import { AnswerTimeoutError } from './connection-ends.js';

/** The answer to the client if there is none of GhostWire. */
export interface ProxyFailure {
  readonly statusCode: 502 | 504;
  readonly message: string;
}

/** Codes of failed connection attempts and host name look-ups. All others occur on an established connection. */
const UNREACHABLE = /^(ECONNREFUSED|ENOTFOUND|EAI_|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|EADDRNOTAVAIL|EACCES)/;

/** Converts an error of the connection to GhostWire. */
export function proxyFailure(error: Error, { ghostwireHost, ghostwirePort }: DiscoveryConfig): ProxyFailure {
  const { code = error.message } = error as NodeJS.ErrnoException;
  const address = `${ghostwireHost} port ${ghostwirePort}`;
  if (error instanceof AnswerTimeoutError) {
    return { statusCode: 504, message: `GhostWire is too slow (${error.message}): ${address}` };
  }
  if (code === 'ETIMEDOUT') {
    return { statusCode: 504, message: `GhostWire cannot be reached (${code}): ${address}` };
  }
  const problem = UNREACHABLE.test(code)
    ? 'cannot be reached'
    : /^(HPE_|ERR_)/.test(code)
      ? 'sent an invalid answer'
      : 'closed the connection before its answer';
  return { statusCode: 502, message: `GhostWire ${problem} (${code}): ${address}` };
}

/** Answers with JSON in the form of Nest's errors. Websocket requests have no response object, only their socket. */
export function answerFailure({ statusCode, message }: ProxyFailure, to: ServerResponse | Duplex): void {
  const error = STATUS_CODES[statusCode] ?? '';
  const body = Buffer.from(JSON.stringify({ statusCode, message, error }));
  const headers = { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': body.length };
  if (to instanceof ServerResponse) {
    to.writeHead(statusCode, error, headers).end(body);
    return;
  }
  const lines = Object.entries({ ...headers, Connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  to.write([`HTTP/1.1 ${statusCode} ${error}`, ...lines, '', ''].join('\r\n'));
  to.end(body);
}
