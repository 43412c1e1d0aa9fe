import { Logger } from '@nestjs/common';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { REQUEST_PARAMETERS } from '../capture/request/request-parameters.js';
import { clientOf } from './client-address.js';
import { UPGRADE_ADMITTED } from './http-adapter.js';
import { ticketPathOf } from './ticket-path.js';

/** The context of request lines in the log. */
export const REQUEST_CONTEXT = 'Request';

const REDACTED = '(redacted)';

/**
 * Headers that carry no credentials. The values of all others are redacted: a list of those that do carry some would
 * never be complete.
 */
const HARMLESS_HEADERS: ReadonlySet<string> = new Set([
  ...['host', 'origin', 'referer', 'user-agent', 'connection', 'upgrade', 'via', 'expect', 'te', 'trailer'],
  ...['accept', 'accept-charset', 'accept-encoding', 'accept-language', 'cache-control', 'pragma', 'range'],
  ...['content-encoding', 'content-length', 'content-type', 'transfer-encoding', 'keep-alive'],
  ...['if-modified-since', 'if-none-match', 'upgrade-insecure-requests', 'date', 'dnt', 'priority'],
  ...['sec-fetch-dest', 'sec-fetch-mode', 'sec-fetch-site', 'sec-fetch-user', 'sec-purpose'],
  ...['sec-websocket-extensions', 'sec-websocket-key', 'sec-websocket-version'],
  ...['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-prefix', 'x-forwarded-proto'],
  ...Object.values(REQUEST_PARAMETERS).flatMap((parameter) =>
    'header' in parameter ? [parameter.header.toLowerCase()] : [],
  ),
]);

/** Of their URLs only scheme and host are logged. */
const URL_HEADERS: ReadonlySet<string> = new Set(['origin', 'referer']);

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
  server.prependListener(UPGRADE_ADMITTED, (request: IncomingMessage) => describe(request)('upgrade'));
}

/** The first headers of a request, with all values redacted that are not known to be harmless, and long ones cut. */
export function redactedHeaders(headers: IncomingMessage['headers']): Record<string, string> {
  const entries = Object.entries(headers).slice(0, MAX_HEADERS);
  return Object.fromEntries(
    entries.map(([name, value]) => [excerptOf(name), excerptOf(redactedValue(name, String(value)))]),
  );
}

function redactedValue(name: string, value: string): string {
  if (!HARMLESS_HEADERS.has(name)) return REDACTED;
  return URL_HEADERS.has(name)
    ? (/^[a-z][a-z0-9+.-]*:\/\/[^/?#@]*(?=[/?#]|$)/i.exec(value)?.[0] ?? REDACTED)
    : value;
}

function excerptOf(text: string): string {
  return text.length > MAX_HEADER_LENGTH ? `${text.slice(0, MAX_HEADER_LENGTH)}…` : text;
}

/**
 * A request target or URL without the credentials before its host and without tickets, and with those parameters of
 * its query only that belong to captures.
 */
export function redactedTarget(target: string): string {
  const [path = '', ...query] = target.split(/([?#&])/);
  const isMisplaced = ticketPathOf(target) === 'misplaced';
  const shownPath = (isMisplaced ? REDACTED : path)
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, `$1${REDACTED}@`)
    .replace(/(\/t\/)[^/]+/, `$1${REDACTED}`);
  const shownQuery = query.map((part, index) => (index % 2 === 0 || isHarmless(part) ? part : REDACTED));
  return shownPath + shownQuery.join('');
}

function isHarmless(parameter: string): boolean {
  return parameter === '' || Object.hasOwn(REQUEST_PARAMETERS, parameter.split('=', 1)[0] ?? '');
}
