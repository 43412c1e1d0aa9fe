/** A URL up to its path: what comes before it when a client takes us for a forward proxy. */
const SCHEME_AND_AUTHORITY = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i;

/**
 * The path and query that a request target means, byte for byte as they were sent. Servers must take absolute URLs
 * too, whose host then counts for nothing here: RFC 9112, 3.2.2. Undefined for what names no path, `*` for one.
 */
export function originForm(target: string): string | undefined {
  if (target.startsWith('/')) return target;
  const prefix = SCHEME_AND_AUTHORITY.exec(target)?.[0];
  if (prefix === undefined) return undefined;
  const rest = target.slice(prefix.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** The path alone, neither decoded nor normalised: `//` and `..` mean to their server what they mean to it. */
export function pathOf(target: string): string | undefined {
  return originForm(target)?.split(/[?#]/, 1)[0];
}
