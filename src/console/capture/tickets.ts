import { token } from '../access.js';
import { askJson, serviceUrl, websocketUrl } from '../service.js';
import type { CaptureParameters } from './capture-request.js';
import { wiresharkLink } from './wireshark-link.js';

/** A capture of the page begins at once. */
const LIFETIME_SECONDS = 60;

/**
 * Requests a ticket for a capture with these parameters: Wireshark does not know the password or token of the user.
 *
 * @returns the link that starts Wireshark
 * @throws ServiceFailure
 */
export async function linkWithTicket(parameters: CaptureParameters): Promise<string> {
  return wiresharkLink(websocketUrl(await ticketPath(parameters)), parameters);
}

/**
 * The URL of a websocket for a capture.
 *
 * @throws ServiceFailure
 */
export async function captureUrl(parameters: CaptureParameters): Promise<URL> {
  // A browser sends the password of a proxy with a websocket, but no token.
  if (token.peek() === '') return websocketUrl('capture', parameters);
  return websocketUrl(await ticketPath(parameters, LIFETIME_SECONDS));
}

/**
 * The URL of a download, for a page with a token, which browsers do not send with downloads.
 *
 * @throws ServiceFailure
 */
export async function downloadUrl(parameters: CaptureParameters): Promise<URL> {
  return serviceUrl(`${await ticketPath(parameters, LIFETIME_SECONDS)}.pcapng`);
}

/** @returns the path `t/<ticket>/capture`, relative to that of the service */
async function ticketPath(parameters: CaptureParameters, lifetime?: number): Promise<string> {
  const { path } = await askJson<{ path: string }>(serviceUrl('tickets'), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ ...ticketRequest(parameters), lifetime }),
  });
  return path.replace(/^\//, '');
}

/** The body of `POST tickets` for a capture with these parameters. */
export function ticketRequest(parameters: CaptureParameters): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, text]): [string, unknown] => {
      if (name === 'container' || name === 'targets') return [name, JSON.parse(text)];
      if (name === 'nif' || name === 'filter') return [name, text];
      return [name, text === '' ? true : Number(text)];
    }),
  );
}
