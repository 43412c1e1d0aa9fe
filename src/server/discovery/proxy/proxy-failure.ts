import { ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { DiscoveryConfig } from '../../config/discovery.config.js';
import { AnswerLateError } from './answer-deadline.js';

/** Why there is no answer of GhostWire to pass on, for whoever asked. */
export interface ProxyFailure {
  readonly statusCode: 502 | 504;
  readonly message: string;
}

/** Codes of failed connects and look-ups; all others came with a connection that was there. */
const UNREACHABLE = /^(ECONNREFUSED|ENOTFOUND|EAI_|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|EADDRNOTAVAIL|EACCES)/;

/** What an error on the way to GhostWire means. */
export function proxyFailure(error: Error, { service, gwPort }: DiscoveryConfig): ProxyFailure {
  const { code = error.message } = error as NodeJS.ErrnoException;
  const at = `${service} port ${gwPort}`;
  if (error instanceof AnswerLateError) {
    return { statusCode: 504, message: `GhostWire is too slow (${error.message}): ${at}` };
  }
  if (code === 'ETIMEDOUT')
    return { statusCode: 504, message: `GhostWire cannot be reached (${code}): ${at}` };
  const problem = UNREACHABLE.test(code)
    ? 'cannot be reached'
    : /^(HPE_|ERR_)/.test(code)
      ? 'answered nonsense'
      : 'broke off before its answer';
  return { statusCode: 502, message: `GhostWire ${problem} (${code}): ${at}` };
}

/** Says so in JSON of the shape that Nest's errors have; to a websocket, which has no response object, by hand. */
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
