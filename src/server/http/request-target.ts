/** The part of an absolute URL before its path. Clients send absolute URLs to forward proxies. */
const SCHEME_AND_AUTHORITY = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i;

/**
 * The path and query of a request target, byte for byte as they were sent. Servers must accept absolute URLs as well
 * (RFC 9112, section 3.2.2); their host is ignored here. Undefined for a target without a path, such as `*`.
 */
export function originForm(target: string): string | undefined {
  if (target.startsWith('/')) return target;
  const prefix = SCHEME_AND_AUTHORITY.exec(target)?.[0];
  if (prefix === undefined) return undefined;
  const rest = target.slice(prefix.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** The path of a request target, neither decoded nor normalized: the server that it is meant for interprets `//` and `..`. */
export function pathOf(target: string): string | undefined {
  return originForm(target)?.split(/[?#]/, 1)[0];
}
