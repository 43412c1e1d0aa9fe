import type { IncomingMessage } from 'node:http';
import type { AuthenticatedUser } from './authenticated-user.js';

/**
 * Why a request is refused: 401 for lack of valid credentials, 403 for a user who may not use the service at all, 503 when it
 * cannot be told now. `code` is stable, `message` is for people.
 *
 * @publicApi
 */
export interface AccessRefusal {
  readonly statusCode: 401 | 403 | 503;
  readonly code: string;
  readonly message: string;
}

/**
 * The outcome: admitted, perhaps as a user, or refused.
 *
 * @publicApi
 */
export type Authentication =
  { readonly user?: AuthenticatedUser; readonly refusal?: undefined } | { readonly refusal: AccessRefusal };

/**
 * Port: decides who may use the service, from the headers of a request. Its body has not been read, and must not be.
 *
 * @publicApi
 */
export abstract class Authenticator {
  /**
   * Asked at most once for each request that needs to be admitted, before the upgrade of a websocket. An answer that takes longer than
   * 10 s, and an error, refuse the request with 503.
   */
  abstract authenticate(request: IncomingMessage): Authentication | Promise<Authentication>;
}

/** Admits every request: the default, without `--token-file`. */
export class OpenAuthenticator extends Authenticator {
  override authenticate(): Authentication {
    return {};
  }
}

/** The token of a request, `Authorization: Bearer TOKEN` (RFC 6750, section 2.1); undefined if there is none or more than one. */
export function bearerTokenOf({
  headersDistinct,
}: Pick<IncomingMessage, 'headersDistinct'>): string | undefined {
  const [value = '', ...others] = headersDistinct.authorization ?? [];
  return others.length > 0 ? undefined : /^bearer +(\S+)$/i.exec(value)?.[1];
}
