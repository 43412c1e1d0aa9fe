import { Injectable } from '@nestjs/common';
import { CaptureConfig } from '../config/capture.config.js';
import { ServiceConfig } from '../config/service.config.js';
import type { NetnsReference, TcpConnection, TcpEndpoint } from '../../shared/protocol/capture-spec.js';
import { SERVICE_VERSION } from '../../shared/service-version.js';
import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { CaptureErrorCode } from '../../shared/protocol/capture-error.js';
import { CaptureProvider } from './capture-provider.js';
import type { Capture } from './capture-provider.js';
import type { CaptureSpec } from '../../shared/protocol/capture-spec.js';
import type { CaptureRequest } from './request/capture-request.parser.js';
import { effectiveLimits } from './request/effective-limits.js';
import { endpointsFrom } from '../../shared/protocol/tcp-endpoint.js';
import { NetnsResolver } from './resolve/netns-resolver.js';
import type { ResolvedTarget } from './resolve/netns-resolver.js';
import { sectionComment, serviceComment } from './section-comment.js';

/** A capture that runs, and what it was opened from in the end. */
export interface OpenedCapture {
  readonly capture: Capture;
  readonly reference: NetnsReference;
}

/** From what a client asks for to a capture that runs. */
@Injectable()
export class CaptureOpener {
  private readonly excludedEndpoints: readonly TcpEndpoint[];

  constructor(
    private readonly resolver: NetnsResolver,
    private readonly provider: CaptureProvider,
    { excludedEndpoints }: ServiceConfig,
    private readonly maxima: CaptureConfig,
  ) {
    this.excludedEndpoints = endpointsFrom(excludedEndpoints);
  }

  /**
   * Tries the references that the request may mean, best first, until one proves good on the opened namespace.
   *
   * @param captureId for the log and the stream
   * @throws CaptureError of the last reference, or of the resolver when it has no more
   */
  async open(
    request: CaptureRequest,
    excludedConnections: readonly TcpConnection[],
    signal: AbortSignal,
    captureId: string,
  ): Promise<OpenedCapture> {
    let failure = new CaptureError('no-such-target', 'there is nothing that the request could mean');
    const { excludedEndpoints } = this;
    for await (const candidate of this.resolver.candidates(request.target, signal)) {
      try {
        const order = {
          ...captureRequest(captureId, request, candidate, { excludedConnections, excludedEndpoints }),
          ...effectiveLimits(request.limits, this.maxima),
        };
        return { capture: await this.provider.open(order, signal), reference: candidate.reference };
      } catch (error) {
        if (!isOutdated(error)) throw error;
        failure = error;
      }
    }
    throw failure;
  }
}

function captureRequest(
  captureId: string,
  { interfaces, filter, promiscuous }: CaptureRequest,
  { target, reference }: ResolvedTarget,
  excluded: Pick<CaptureSpec, 'excludedConnections' | 'excludedEndpoints'>,
): CaptureSpec {
  return {
    captureId,
    reference,
    interfaces,
    filter,
    promiscuous,
    sectionComments: [
      sectionComment({ target, filter, promiscuous }),
      serviceComment({ captureId, version: SERVICE_VERSION, reference, ...excluded }),
    ],
    ...excluded,
  };
}

/**
 * Only then is there a point in asking for the next reference. A process that may not be looked at cannot be
 * verified, so its number may belong to anybody by now.
 */
const OUTDATED: ReadonlySet<CaptureErrorCode> = new Set([
  'stale-reference',
  'no-such-namespace',
  'not-permitted',
]);

function isOutdated(error: unknown): error is CaptureError {
  return error instanceof CaptureError && OUTDATED.has(error.code);
}
