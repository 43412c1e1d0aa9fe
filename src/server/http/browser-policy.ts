import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { canonicalOrigin } from '../../shared/config/web-origin.js';

/** The part of a request that the policy examines. Forwarding headers are not included: any client can send them. */
export type ExaminedRequest = Pick<IncomingMessage, 'headersDistinct'>;

/**
 * Prevents web pages from capturing on behalf of their visitors. Browsers let any page open a websocket to any address,
 * including addresses that only the visitor can reach, but they always send the origin of the page in `Origin`.
 *
 * @param allowed origins that may capture from anywhere, as validated by the configuration
 * @returns decides whether a request may be upgraded; see https://www.rfc-editor.org/rfc/rfc6455#section-10.2
 */
export function originPolicy(allowed: readonly string[]): (request: ExaminedRequest) => boolean {
  const allowedOrigins = new Set(allowed.map(canonicalOrigin));
  return ({ headersDistinct: { origin: origins, host: hosts } }) => {
    // The client is not a browser. Requiring Origin would not help: non-browser clients can forge it.
    if (origins === undefined) return true;
    const origin = single(origins);
    const page = origin === undefined ? undefined : canonicalOrigin(origin);
    if (page === undefined) return false;
    return allowedOrigins.has(page) || isSameOrigin(page, single(hosts));
  };
}

/**
 * Whether the page was loaded from the address to which it now connects.
 *
 * A host name is no evidence: the owner of `evil.example` can make it resolve to his own address while the page loads
 * and to ours afterwards (DNS rebinding), so that Origin and Host are equal. IP addresses, and `localhost`, which
 * browsers do not look up, cannot be rebound.
 *
 * The scheme of the page is assumed to be the scheme of the service, which is unknown if there is a TLS proxy in front.
 * This matters only if Host has no port: 80 and 443 of the same address are then considered equal.
 */
function isSameOrigin(page: string, host: string | undefined): boolean {
  const { protocol, hostname } = new URL(page);
  if (protocol !== 'http:' && protocol !== 'https:') return false;
  if (host === undefined || canonicalOrigin(`${protocol}//${host}`) !== page) return false;
  return hostname === 'localhost' || isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0;
}

function single(values: readonly string[] | undefined): string | undefined {
  return values?.length === 1 ? values[0] : undefined;
}
