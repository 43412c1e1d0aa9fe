import { readFileSync } from 'node:fs';
import { printable } from '../shared/printable.js';

/** Where to ask the service, and what to send with each request. */
export interface ServiceAccess {
  /** Without user and password, so that it may be shown. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

const MAX_MESSAGE_LENGTH = 400;

/**
 * Splits a URL into one without user and password, and the header that carries them, or the token. In a URL they are
 * percent-encoded; the `ws` package would send them in that form, which proxies do not understand.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7617
 */
export function accessTo(url: URL, token?: string): ServiceAccess {
  const anonymous = new URL(url);
  anonymous.username = '';
  anonymous.password = '';
  if (token !== undefined) return { url: anonymous, headers: { Authorization: `Bearer ${token}` } };
  if (url.username === '' && url.password === '') return { url: anonymous, headers: {} };
  const credentials = Buffer.from(`${decoded(url.username)}:${decoded(url.password)}`);
  return { url: anonymous, headers: { Authorization: `Basic ${credentials.toString('base64')}` } };
}

/** A percent sign that does not encode anything stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // URIError: not percent-encoded
  }
}

/**
 * The token of a file, or of the environment.
 *
 * @throws Error when it cannot be read, or cannot be sent
 */
export function givenToken(file: string | undefined, environment = process.env): string | undefined {
  if (file === undefined) {
    const token = environment['PACKETFLIX_TOKEN']?.trim();
    return token ? checkedToken(token, 'PACKETFLIX_TOKEN') : undefined;
  }
  try {
    return checkedToken(readFileSync(file, 'utf8').trim(), file);
  } catch (error) {
    throw new Error(`--token-file: ${(error as Error).message}`, { cause: error });
  }
}

/** @param source where it comes from, for the message */
export function checkedToken(token: string, source: string): string {
  // What a header cannot carry would fail with the token in the message.
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new Error(`${source} does not have a token, which is one line of letters, digits and punctuation`);
}

/** A sentence about an answer of the service, or of a proxy, that is not a success. */
export function describeRefusal(
  status: number,
  authenticate: string | null | undefined,
  body: string,
): string {
  const message = messageIn(body);
  const text = `HTTP status ${status}${message === '' ? '' : `, ${message}`}`;
  if (status !== 401) return text;
  return /^basic\b/i.test(authenticate ?? '')
    ? `${text}; give user and password in the URL (--url wss://USER:PASSWORD@HOST/...)`
    : `${text}; give a valid token with --token-file or PACKETFLIX_TOKEN, in Kubernetes that of "kubectl create token NAME"`;
}

/** Of the service's JSON; empty where a proxy has answered. */
function messageIn(body: string): string {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    return typeof message === 'string' ? printable(message, MAX_MESSAGE_LENGTH).replace(/\.$/, '') : '';
  } catch {
    return ''; // SyntaxError: the page of a proxy; TypeError: null
  }
}
