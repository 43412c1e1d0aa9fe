import { Logger } from '@nestjs/common';
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TokenReview } from 'kubernetes-types/authentication/v1.js';
import type { AuthenticatedUser } from '../access/authenticated-user.js';
import { Authenticator, bearerTokenOf, type Authentication } from '../access/authenticator.js';
import { AnswerCache } from './answer-cache.js';
import { KubernetesApiError, type KubernetesApi } from './kubernetes-api.js';

const TOKEN_REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews';
/** A token that was revoked counts no longer than this. */
const LIFETIME_MS = 10_000;
const MAX_ANSWERS = 4_096;
/** Anybody can ask with tokens of their own invention. */
const MAX_PENDING = 128;
/** Tokens of service accounts have about 1,000 characters; those of OpenID Connect may list many groups. */
const MAX_TOKEN_LENGTH = 16 * 1024;
/** RFC 6750, section 2.1: anything else is no token. */
const TOKEN = /^[\w.~+/-]+=*$/;

/** Asks Kubernetes whose token a request has: TokenReview. */
export class KubernetesAuthenticator extends Authenticator {
  private readonly logger = new Logger('Kubernetes');
  /** By the hash of the token. Undefined: the token is not valid. */
  private readonly users = new AnswerCache<AuthenticatedUser | undefined>({
    lifetimeMs: LIFETIME_MS,
    maxAnswers: MAX_ANSWERS,
    maxPending: MAX_PENDING,
    refusal: () => new KubernetesApiError('too many requests wait for it'),
  });

  constructor(private readonly api: KubernetesApi) {
    super();
  }

  override async authenticate(request: IncomingMessage): Promise<Authentication> {
    const token = bearerTokenOf(request);
    if (token === undefined || token.length > MAX_TOKEN_LENGTH || !TOKEN.test(token)) {
      return unauthorized('this service needs a bearer token of Kubernetes');
    }
    try {
      const hash = createHash('sha256').update(token).digest('base64');
      const user = await this.users.ask(hash, () => this.review(token));
      return user ? { user } : unauthorized('Kubernetes does not accept this token');
    } catch (error) {
      if (!(error instanceof KubernetesApiError)) throw error;
      const message = `the Kubernetes API cannot be asked: ${error.message}`;
      this.logger.warn(message);
      return { refusal: { statusCode: 503, code: 'kubernetes-failed', message } };
    }
  }

  private async review(token: string): Promise<AuthenticatedUser | undefined> {
    const review: TokenReview = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token },
    };
    const { status } = await this.api.create<TokenReview>(TOKEN_REVIEWS, review);
    if (status?.authenticated !== true) return undefined;
    const { username, groups, uid, extra } = status.user ?? {};
    if (!username) return undefined;
    return { name: username, ...(groups && { groups }), ...(uid && { uid }), ...(extra && { extra }) };
  }
}

function unauthorized(message: string): Authentication {
  return { refusal: { statusCode: 401, code: 'unauthorized', message } };
}
