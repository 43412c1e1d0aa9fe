import { Logger } from '@nestjs/common';
import { createHash } from 'node:crypto';
import type { ResourceAttributes, SubjectAccessReview } from 'kubernetes-types/authorization/v1.js';
import type { AuthenticatedUser } from '../access/authenticated-user.js';
import { CaptureAccess, CaptureAccessError, textOf, type CaptureRight } from '../access/capture-access.js';
import { AnswerCache } from './answer-cache.js';
import { KubernetesApiError, type KubernetesApi } from './kubernetes-api.js';

const ACCESS_REVIEWS = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
/** A right that was taken away counts no longer than this. */
const LIFETIME_MS = 10_000;
const MAX_ANSWERS = 16_384;
/** A list of targets may be in hundreds of namespaces. */
const MAX_PENDING = 4_096;

/** In Kubernetes, the pods of all namespaces have no namespace. */
const ALL_NAMESPACES: CaptureRight = { kind: 'pods', namespace: '' };

/** Asks Kubernetes what a user may do: SubjectAccessReview for `create` on `pods/capture` or `nodes/capture`. */
export class KubernetesCaptureAccess extends CaptureAccess {
  override readonly isRestricted = true;
  private readonly logger = new Logger('Kubernetes');
  private readonly answers = new AnswerCache<boolean>({
    lifetimeMs: LIFETIME_MS,
    maxAnswers: MAX_ANSWERS,
    maxPending: MAX_PENDING,
    refusal: () => new KubernetesApiError('too many requests wait for it'),
  });

  constructor(private readonly api: KubernetesApi) {
    super();
  }

  override async allows(user: AuthenticatedUser | undefined, right: CaptureRight): Promise<boolean> {
    if (!user) return false;
    try {
      // Those who may do it everywhere need one answer for all namespaces.
      if (right.kind === 'pods' && (await this.ask(user, ALL_NAMESPACES))) return true;
      return await this.ask(user, right);
    } catch (error) {
      if (!(error instanceof KubernetesApiError)) throw error;
      const message = `the Kubernetes API cannot be asked: ${error.message}`;
      this.logger.warn(message);
      throw new CaptureAccessError(message, { cause: error });
    }
  }

  private ask(user: AuthenticatedUser, right: CaptureRight): Promise<boolean> {
    const question = createHash('sha256')
      .update(JSON.stringify([user, textOf(right)]))
      .digest('base64');
    return this.answers.ask(question, () => this.review(user, right));
  }

  private async review(
    { name, groups, uid, extra }: AuthenticatedUser,
    right: CaptureRight,
  ): Promise<boolean> {
    const resourceAttributes: ResourceAttributes = {
      verb: 'create',
      resource: right.kind,
      subresource: 'capture',
      ...(right.kind === 'pods' && { namespace: right.namespace }),
    };
    const review = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: name, groups, uid, extra, resourceAttributes },
    };
    const { status } = await this.api.create<SubjectAccessReview>(ACCESS_REVIEWS, review);
    return status?.allowed === true && status.denied !== true;
  }
}
