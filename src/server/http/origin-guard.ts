import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { canonicalOrigin } from '../../shared/config/web-origin.js';

/** What the guard looks at. Forwarding headers are not among it: anybody can send them. */
export type GuardedRequest = Pick<IncomingMessage, 'headersDistinct'>;

/**
 * Keeps web pages from capturing in the name of whoever looks at them: browsers let any page open a websocket to any
 * address, also to one that only their user can reach, but always tell in `Origin` where the page is from.
 *
 * @param allowed origins that may capture wherever they are, as they were validated by the configuration
 * @returns whether a request may be upgraded; see https://www.rfc-editor.org/rfc/rfc6455#section-10.2
 */
export function originGuard(allowed: readonly string[]): (request: GuardedRequest) => boolean {
  const allowedOrigins = new Set(allowed.map(canonicalOrigin));
  return ({ headersDistinct: { origin: origins, host: hosts } }) => {
    // No browser then, and who is none could send any origin that it liked.
    if (origins === undefined) return true;
    const origin = onlyOne(origins);
    const page = origin === undefined ? undefined : canonicalOrigin(origin);
    if (page === undefined) return false;
    return allowedOrigins.has(page) || isOwnPage(page, onlyOne(hosts));
  };
}

/**
 * Whether the page came from the very address that it now asks.
 *
 * A name proves nothing: whoever owns `evil.example` can have it resolve to himself while the page loads and to us
 * afterwards (DNS rebinding), and Origin and Host then agree. Addresses, and the one name that browsers do not look
 * up, cannot be rebound.
 *
 * Behind a TLS proxy we cannot know with which scheme we were asked, so the page's own is taken for ours. That only
 * matters where a host has neither port: then 80 and 443 of the same address count as the same.
 */
function isOwnPage(page: string, host: string | undefined): boolean {
  const { protocol, hostname } = new URL(page);
  if (protocol !== 'http:' && protocol !== 'https:') return false;
  if (host === undefined || canonicalOrigin(`${protocol}//${host}`) !== page) return false;
  return hostname === 'localhost' || isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0;
}

function onlyOne(values: readonly string[] | undefined): string | undefined {
  return values?.length === 1 ? values[0] : undefined;
}
