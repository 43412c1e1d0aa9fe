import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { canonicalOrigin } from '../../shared/config/web-origin.js';
import { pathOf } from './request-target.js';

/** The part of a request that the policy examines. Forwarding headers are not included: any client can send them. */
export type ExaminedRequest = Pick<IncomingMessage, 'method' | 'headersDistinct' | 'url'>;

/** Why a request is refused, and what an operator can do about it. */
export interface Refusal {
  readonly problem: string;
  readonly remedy: string;
}

/** Alone, or after the path of a ticket, in each form that a route accepts. */
const DOWNLOAD_PATH = /\/capture\.pcapng\/*$/i;

const UNKNOWN_HOST: Refusal = {
  problem: 'This service is not known by the name in Host.',
  remedy: 'Allow the name with --allowed-host.',
};
const FOREIGN_PAGE: Refusal = {
  problem: 'Web pages of other origins may not use this service.',
  remedy: 'Allow the origin of the page with --allowed-origin.',
};

/**
 * Prevents web pages from using this service on behalf of their visitors, whose browsers may reach it although the
 * owner of the page cannot. Clients that are not browsers are not restricted: they can forge every header.
 *
 * - Browsers let any page send requests to any address. They send the origin of the page in `Origin`, or at least
 *   `Sec-Fetch-Site` or `Referer`: it must be our own origin, or an allowed one.
 * - The owner of `evil.example` can make that name resolve to our address after his page has been loaded (DNS
 *   rebinding). The page is then of our own origin, but `Host` has a name that is not ours. IP addresses, and
 *   `localhost`, which browsers do not look up, cannot be rebound.
 *
 * @param origins that may use the service from anywhere, as validated by the configuration
 * @param hosts names of the service, besides the hosts of `origins`
 * @returns examines a request; undefined: it is admitted
 */
export function browserPolicy(
  origins: readonly string[],
  hosts: readonly string[],
): (request: ExaminedRequest) => Refusal | undefined {
  const allowedOrigins = new Set(origins.map(canonicalOrigin));
  const webOrigins = origins.filter((origin) => /^https?:/i.test(origin));
  const names = new Set(
    [...hosts.map((host) => `http://${host}`), ...webOrigins].map((origin) =>
      hostOf(canonicalOrigin(origin)),
    ),
  );
  const isOurs = (host: string): boolean => isIpLiteral(host) || host === 'localhost' || names.has(host);
  return (request) => {
    if (!isBrowser(request)) return undefined;
    const host = single(request.headersDistinct.host) ?? '';
    const name = hostOf(canonicalOrigin(`http://${host}`));
    if (name === undefined || !isOurs(name)) return UNKNOWN_HOST;
    const isAdmitted = (page: string | undefined): boolean =>
      page !== undefined && (allowedOrigins.has(page) || isSameOrigin(page, host));
    return comesFrom(request, isAdmitted) ? undefined : FOREIGN_PAGE;
  };
}

function isBrowser({ headersDistinct }: ExaminedRequest): boolean {
  return (
    headersDistinct.origin !== undefined ||
    headersDistinct.referer !== undefined ||
    Object.keys(headersDistinct).some((name) => name.startsWith('sec-fetch-')) ||
    headersDistinct['user-agent']?.some((agent) => agent.startsWith('Mozilla/')) === true
  );
}

/** Whether the page that sent the request is admitted. */
function comesFrom(request: ExaminedRequest, isAdmitted: (page: string | undefined) => boolean): boolean {
  const { origin, referer, 'sec-fetch-site': site } = request.headersDistinct;
  if (origin !== undefined) return isAdmitted(canonicalOrigin(single(origin) ?? ''));
  // A link leads here, or a login page. The page cannot read what the browser then shows. But a link must not begin a capture.
  if (isTopLevelNavigation(request) && !DOWNLOAD_PATH.test(pathOf(request.url ?? '') ?? '')) return true;
  if (referer !== undefined) return isAdmitted(originOf(single(referer) ?? ''));
  // Plain HTTP to other addresses than loopback has no Sec-Fetch-Site. `none`: the user entered the address.
  return site === undefined || ['same-origin', 'none'].includes(single(site) ?? '');
}

/** Browsers do not let pages set these headers. */
function isTopLevelNavigation({ method, headersDistinct }: ExaminedRequest): boolean {
  return (
    method === 'GET' &&
    single(headersDistinct['sec-fetch-mode']) === 'navigate' &&
    single(headersDistinct['sec-fetch-dest']) === 'document'
  );
}

/**
 * Whether the page was loaded from the address to which it now connects.
 *
 * The scheme of the page is assumed to be the scheme of the service, which is unknown if there is a TLS proxy in front.
 * This matters only if Host has no port: 80 and 443 of the same address are then considered equal.
 */
function isSameOrigin(page: string, host: string): boolean {
  const { protocol } = new URL(page);
  return ['http:', 'https:'].includes(protocol) && canonicalOrigin(`${protocol}//${host}`) === page;
}

/** The origin of a URL. */
function originOf(url: string): string | undefined {
  const origin = URL.parse(url)?.origin;
  return origin === undefined ? undefined : canonicalOrigin(origin);
}

/** The host of a canonical origin, IPv6 addresses in brackets. */
function hostOf(origin: string | undefined): string | undefined {
  return origin === undefined ? undefined : URL.parse(origin)?.hostname;
}

function isIpLiteral(host: string): boolean {
  return isIP(host.replace(/^\[(.*)\]$/, '$1')) !== 0;
}

function single(values: readonly string[] | undefined): string | undefined {
  return values?.length === 1 ? values[0] : undefined;
}
