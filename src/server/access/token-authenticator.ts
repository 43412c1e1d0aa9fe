import type { IncomingMessage } from 'node:http';
import type { TokenFile } from '../../shared/token-file.js';
import { Authenticator, bearerTokenOf, type Authentication } from './authenticator.js';

const REFUSED: Authentication = {
  refusal: {
    statusCode: 401,
    code: 'unauthorized',
    message: 'This service needs a valid token: Authorization: Bearer TOKEN.',
  },
};

/** Admits everybody who has the token of a file. All share it, so it names no user. */
export class TokenAuthenticator extends Authenticator {
  constructor(private readonly file: TokenFile) {
    super();
  }

  override authenticate(request: IncomingMessage): Authentication {
    const token = bearerTokenOf(request);
    return token !== undefined && this.file.matches(token) ? {} : REFUSED;
  }
}
