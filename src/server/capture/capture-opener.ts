import { Injectable, Logger } from '@nestjs/common';
import { CaptureError, excerpt, type CaptureErrorCode } from '../../shared/protocol/capture-error.js';
import type {
  CaptureSpec,
  NetnsReference,
  SetSpec,
  TcpConnection,
  TcpEndpoint,
} from '../../shared/protocol/capture-spec.js';
import { endpointsFrom } from '../../shared/protocol/tcp-endpoint.js';
import { LiveTargets } from '../discovery/live-targets.js';
import { isNamed, TargetDirectoryError } from '../discovery/target-directory.js';
import { SET_TYPE, NamedTargetSets } from '../discovery/named-target-sets.js';
import type { ClientConnection } from '../http/client-connection.js';
import { SERVICE_VERSION } from '../../shared/service-version.js';
import { ServiceConfig } from '../config/service.config.js';
import { CaptureProvider, type Capture } from './capture-provider.js';
import { knownSpec, type CaptureRequest } from './request/capture-request.js';
import { NetnsResolver, type ResolvedTarget } from './resolve/netns-resolver.js';
import { SetMembership, type MemberChange, type SetMembershipOptions } from './resolve/set-membership.js';
import { sectionComment, serviceComment } from './section-comment.js';

/** A running capture, and the reference by which it was opened; a set has none. */
export interface OpenedCapture {
  readonly capture: Capture;
  readonly reference?: NetnsReference;
}

/** The client that a capture is for, and what is known of it. */
export interface CaptureOrigin {
  readonly captureId: string;
  readonly excludedConnections: readonly TcpConnection[];
  readonly signal: AbortSignal;
  readonly client: ClientConnection;
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
  private readonly logger = new Logger('Capture');
  private readonly excludedEndpoints: readonly TcpEndpoint[];

  constructor(
    private readonly resolver: NetnsResolver,
    private readonly provider: CaptureProvider,
    { excludedEndpoints }: ServiceConfig,
    private readonly sets: NamedTargetSets,
    private readonly live: LiveTargets,
  ) {
    this.excludedEndpoints = endpointsFrom(excludedEndpoints);
  }

  /** @throws CaptureError */
  open(request: CaptureRequest, origin: CaptureOrigin): Promise<OpenedCapture> {
    if (request.selectors ?? request.target.type === SET_TYPE) return this.openSet(request, origin);
    return request.follow ? this.openFollowing(request, origin) : this.openTarget(request, origin);
  }

  /**
   * Tries the network namespaces that the request may mean, best first, until one is opened and verified.
   *
   * @throws CaptureError of the last candidate, or of the resolver when it has no more
   */
  private async openTarget(request: CaptureRequest, origin: CaptureOrigin): Promise<OpenedCapture> {
    const { captureId, excludedConnections, signal, client } = origin;
    const known = knownSpec(request);
    const excluded = { excludedConnections, excludedEndpoints: this.excludedEndpoints };
    let failure = new CaptureError('no-such-target', 'the request does not match any target');
    for await (const { netns, pid, startTime, ...target } of this.resolver.candidates(
      request.target,
      signal,
    )) {
      const reference = referenceOf({
        netns,
        ...(pid !== undefined && { pid }),
        ...(startTime !== undefined && { startTime }),
      });
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

  /** Captures from all targets that match, those of now and those of later. */
  private async openSet(request: CaptureRequest, origin: CaptureOrigin): Promise<OpenedCapture> {
    const { name = '' } = request.target;
    const selectors = request.selectors ?? this.sets.selectorsOf(name);
    if (!selectors)
      throw new CaptureError('no-such-target', `there is no set of targets named "${excerpt(name)}"`);
    await this.whenTargetsAreKnown(origin.signal);
    const { node, maxMembers } = this.sets;
    return this.openMembers(request, origin, {
      node,
      includes: (entry, hostNetns) => this.sets.includes(selectors, entry, hostNetns),
      maxMembers,
      namesTargets: true,
    });
  }

  /** Captures from one target, and when it has ended, from the next one of its name. */
  private async openFollowing(request: CaptureRequest, origin: CaptureOrigin): Promise<OpenedCapture> {
    const { name = '', prefix, type } = request.target;
    let first: ResolvedTarget | undefined;
    for await (const candidate of this.resolver.candidates(request.target, origin.signal)) {
      first = candidate;
      break; // what is outdated about it is found when it joins
    }
    if (!first) throw new CaptureError('no-such-target', 'the request does not match any target');
    return this.openMembers(request, origin, {
      node: this.sets.node,
      includes: (entry) => isNamed(entry, name, prefix) && (!type || entry.type === type),
      maxMembers: 1,
      namesTargets: false,
      first: { entry: { name, prefix, type: first.type }, reference: referenceOf(first) },
    });
  }

  private async openMembers(
    request: CaptureRequest,
    { captureId, excludedConnections, signal, client }: CaptureOrigin,
    options: SetMembershipOptions,
  ): Promise<OpenedCapture> {
    if (!this.provider.openSet) {
      throw new CaptureError('invalid-request', 'this service does not capture from sets of targets');
    }
    const known = knownSpec(request);
    const excluded = { excludedConnections, excludedEndpoints: this.excludedEndpoints };
    const sectionComments = [
      sectionComment({ target: request.target, ...known }),
      serviceComment({ captureId, version: SERVICE_VERSION, ...excluded }),
    ];
    const onChange = (change: MemberChange): void => {
      const message = change.reason === undefined ? 'target joined' : 'target left';
      this.logger.log({ message, capture: captureId, ...change });
    };
    const set = new SetMembership({ ...options, onChange });
    const spec: SetSpec = { captureId, ...known, sectionComments, ...excluded };
    const capture = await this.provider.openSet(spec, set, signal, client);
    set.begin(capture);
    const unsubscribe = this.live.subscribe((entries) => set.update(entries));
    void capture.end.then(unsubscribe);
    return { capture };
  }

  private async whenTargetsAreKnown(signal: AbortSignal): Promise<void> {
    try {
      await this.live.whenKnown(signal);
    } catch (cause) {
      if (!(cause instanceof TargetDirectoryError)) throw cause;
      throw new CaptureError('discovery-failed', cause.message, { cause });
    }
  }
}

function referenceOf({ netns, pid, startTime }: NetnsReference): NetnsReference {
  return { netns, ...(pid !== undefined && { pid }), ...(startTime !== undefined && { startTime }) };
}
