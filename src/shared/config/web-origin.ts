/** `scheme://host[:port]` and nothing else: no user, path, query, percent sign or backslash, which URL parsers interpret. */
const SHAPE = /^([a-z][a-z0-9+.-]*):\/\/(\[[0-9a-f:.]+\]|[^\s\p{Cc}/\\?#@:,%[\]]+)(:\d{1,5})?$/iu;

/** Only these have a default port; URL parsers do not normalize the hosts of other schemes. */
const WEB_SCHEMES: ReadonlySet<string> = new Set(['http', 'https']);

/**
 * The canonical form of an origin, for comparisons: lower case, no default port, IPv6 in its short form, international
 * names in Punycode. Undefined for anything that is not exactly one origin, including `null`, which browsers send for
 * opaque origins such as sandboxed pages.
 *
 * @see https://html.spec.whatwg.org/multipage/browsers.html#ascii-serialisation-of-an-origin
 */
export function canonicalOrigin(text: string): string | undefined {
  const [, scheme, host, port] = SHAPE.exec(text) ?? [];
  if (scheme === undefined || host === undefined) return undefined;
  // Browser extensions and editors use their own schemes.
  if (!WEB_SCHEMES.has(scheme.toLowerCase())) return text.toLowerCase();
  const url = URL.parse(`${scheme}://${host}${port ?? ''}`);
  return url === null || url.hostname.endsWith('.') ? undefined : url.origin;
}
