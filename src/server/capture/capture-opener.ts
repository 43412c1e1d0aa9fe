import { Injectable } from '@nestjs/common';
import { CaptureError, type CaptureErrorCode } from '../../shared/protocol/capture-error.js';
import type {
  CaptureSpec,
  NetnsReference,
  TcpConnection,
  TcpEndpoint,
} from '../../shared/protocol/capture-spec.js';
import { endpointsFrom } from '../../shared/protocol/tcp-endpoint.js';
import type { ClientConnection } from '../http/client-connection.js';
import { SERVICE_VERSION } from '../../shared/service-version.js';
import { ServiceConfig } from '../config/service.config.js';
import { CaptureProvider, type Capture } from './capture-provider.js';
import type { CaptureRequest } from './request/capture-request.js';
import { NetnsResolver } from './resolve/netns-resolver.js';
import { sectionComment, serviceComment } from './section-comment.js';

/** A running capture, and the reference by which it was opened. */
export interface OpenedCapture {
  readonly capture: Capture;
  readonly reference: NetnsReference;
}

/**
 * Errors after which the next candidate is tried. `not-permitted` is one of them because a process that the service may
 * not inspect cannot be verified: its process id may have been reused.
 */
const OUTDATED: ReadonlySet<CaptureErrorCode> = new Set([
  'stale-reference',
  'no-such-namespace',
  'not-permitted',
]);

/** Turns a request into a running capture. */
@Injectable()
export class CaptureOpener {
  private readonly excludedEndpoints: readonly TcpEndpoint[];

  constructor(
    private readonly resolver: NetnsResolver,
    private readonly provider: CaptureProvider,
    { excludedEndpoints }: ServiceConfig,
  ) {
    this.excludedEndpoints = endpointsFrom(excludedEndpoints);
  }

  /**
   * Tries the network namespaces that the request may mean, best first, until one is opened and verified.
   *
   * @throws CaptureError of the last candidate, or of the resolver when it has no more
   */
  async open(
    captureId: string,
    request: CaptureRequest,
    excludedConnections: readonly TcpConnection[],
    signal: AbortSignal,
    client: ClientConnection,
  ): Promise<OpenedCapture> {
    const { target: requested, ...known } = request;
    const excluded = { excludedConnections, excludedEndpoints: this.excludedEndpoints };
    let failure = new CaptureError('no-such-target', 'the request does not match any target');
    for await (const { netns, pid, startTime, ...target } of this.resolver.candidates(requested, signal)) {
      const reference: NetnsReference = {
        netns,
        ...(pid !== undefined && { pid }),
        ...(startTime !== undefined && { startTime }),
      };
      const sectionComments = [
        sectionComment({ target, ...known }),
        serviceComment({ captureId, version: SERVICE_VERSION, reference, ...excluded }),
      ];
      const spec: CaptureSpec = { captureId, reference, ...known, sectionComments, ...excluded };
      try {
        return { capture: await this.provider.open(spec, signal, client), reference };
      } catch (error) {
        if (!(error instanceof CaptureError) || !OUTDATED.has(error.code)) throw error;
        failure = error;
      }
    }
    throw failure;
  }
}
