/** `scheme://host[:port]` and nothing else: no user, path, query, percent or backslash that URL parsers make something of. */
const SHAPE = /^([a-z][a-z0-9+.-]*):\/\/(\[[0-9a-f:.]+\]|[^\s\p{Cc}/\\?#@:,%[\]]+)(:\d{1,5})?$/iu;

/** Others have no default port, and URL parsers leave their hosts as they are. */
const WEB_SCHEMES: ReadonlySet<string> = new Set(['http', 'https']);

/**
 * One origin in the form in which origins can be compared: lower case, no default port, IPv6 in its short form,
 * international names as browsers send them. Undefined for everything that is not exactly one origin, and so for
 * `null`, which browsers send for pages that they do not trust themselves.
 *
 * @see https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin
 */
export function canonicalOrigin(text: string): string | undefined {
  const [, scheme, host, port] = SHAPE.exec(text) ?? [];
  if (scheme === undefined || host === undefined) return undefined;
  // Browser extensions and editors have schemes of their own.
  if (!WEB_SCHEMES.has(scheme.toLowerCase())) return text.toLowerCase();
  const url = URL.parse(`${scheme}://${host}${port ?? ''}`);
  return url === null || url.hostname.endsWith('.') ? undefined : url.origin;
}
