/** What a URL says of the user, in the form in which a request carries it. */
export interface AnonymousUrl {
  /** Without user and password: it may be shown. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Takes user and password out of a URL. There they are percent-encoded; the websocket library would send them that
 * way, and no proxy knows them so.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7617
 */
export function takeCredentials(url: URL): AnonymousUrl {
  const anonymous = new URL(url);
  anonymous.username = '';
  anonymous.password = '';
  if (url.username === '' && url.password === '') return { url: anonymous, headers: {} };
  const credentials = Buffer.from(`${decoded(url.username)}:${decoded(url.password)}`);
  return { url: anonymous, headers: { Authorization: `Basic ${credentials.toString('base64')}` } };
}

/** A percent sign that encodes nothing stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
