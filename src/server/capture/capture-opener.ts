import { Injectable, Logger } from '@nestjs/common';
import { CaptureError, excerpt, type CaptureErrorCode } from '../../shared/protocol/capture-error.js';
import {
  MAX_EXCLUSIONS,
  type CaptureSpec,
  type NetnsReference,
  type SetSpec,
  type StreamSpec,
  type TcpConnection,
  type TcpEndpoint,
} from '../../shared/protocol/capture-spec.js';
import { endpointsFrom, endpointText } from '../../shared/protocol/tcp-endpoint.js';
import type { AuthenticatedUser } from '../access/authenticated-user.js';
import { LiveTargets } from '../discovery/live-targets.js';
import { isNamed, namespaceKey, type DirectoryEntry } from '../discovery/target-directory.js';
import { PermittedTargets } from '../discovery/permitted-targets.js';
import { SET_TYPE, NamedTargetSets } from '../discovery/named-target-sets.js';
import type { ClientConnection } from '../http/client-connection.js';
import { SERVICE_VERSION } from '../../shared/service-version.js';
import { ServiceConfig } from '../config/service.config.js';
import { CapturePermission, forbidden, type PermittedTarget } from './capture-permission.js';
import { asCaptureError } from './as-capture-error.js';
import { CaptureProvider, type Capture } from './capture-provider.js';
import { knownSpec, type CaptureRequest, type CaptureTarget } from './request/capture-request.js';
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
  /** Who asked for the capture, where that is known. */
  readonly user?: AuthenticatedUser | undefined;
  /** Called when that user may not capture from the target any more. */
  readonly onForbidden?: (error: CaptureError) => void;
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
    private readonly permitted: PermittedTargets,
    private readonly permission: CapturePermission,
  ) {
    this.excludedEndpoints = endpointsFrom(excludedEndpoints);
  }

  /** @throws CaptureError */
  open(request: CaptureRequest, origin: CaptureOrigin): Promise<OpenedCapture> {
    if (isSet(request)) return this.openSet(request, origin);
    return this.openTarget(request, origin);
  }

  /**
   * Checks that the user may capture what is requested, as far as that can be known before it is captured. Of a set, what he may not
   * capture is left out.
   *
   * @throws CaptureError as `open`
   */
  async check(
    request: CaptureRequest,
    user: AuthenticatedUser | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    if (!this.permitted.isRestricted || isSet(request)) return;
    for await (const found of this.candidates(request, { user, signal })) if (found) return;
  }

  /**
   * Tries the network namespaces that the request may mean, best first, until one is opened and verified.
   *
   * @throws CaptureError of the last candidate, or of the resolver when it has no more
   */
  private async openTarget(request: CaptureRequest, origin: CaptureOrigin): Promise<OpenedCapture> {
    let failure = new CaptureError('no-such-target', 'the request does not match any target');
    for await (const { target: candidate, rights } of this.candidates(request, origin)) {
      const { netns, pid, startTime, node, ...target } = candidate;
      const reference: NetnsReference = {
        netns,
        ...(pid !== undefined && { pid }),
        ...(startTime !== undefined && { startTime }),
        ...(node !== undefined && { node }),
      };
      const spec = { ...this.streamSpec(request, origin, target, reference), reference };
      try {
        const capture = request.follow
          ? await this.follow(spec, request, candidate, origin)
          : await this.provider.open(spec, origin.signal, origin.client);
        if (this.permitted.isRestricted) {
          // Also of what is followed: the directory may list nothing by the name that the client gives to its first target.
          const refuse = (): void => origin.onForbidden?.(forbidden(origin.user));
          const end = this.permitted.keepAsking(origin.user, rights, refuse);
          void capture.end.then(end, end);
        }
        return request.follow ? { capture } : { capture, reference };
      } catch (error) {
        if (!(error instanceof CaptureError) || !OUTDATED.has(error.code)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  /** The network namespaces that the request may mean, if the user may capture from them. */
  private async *candidates(
    { target }: CaptureRequest,
    { user, signal }: Pick<CaptureOrigin, 'user' | 'signal'>,
  ): AsyncGenerator<PermittedTarget<ResolvedTarget>, void> {
    let outdated: CaptureError | undefined;
    for await (const candidate of this.resolver.candidates(target, signal)) {
      try {
        yield await this.permission.check(candidate, user, signal);
        outdated = undefined;
      } catch (error) {
        if (!(error instanceof CaptureError) || !OUTDATED.has(error.code)) throw error;
        outdated = error;
      }
    }
    if (outdated) throw outdated;
  }

  /** Captures from one target, and when it has ended, from the next one of its name and type. */
  private follow(
    spec: CaptureSpec,
    { target: { name = '', prefix } }: CaptureRequest,
    { type: givenType }: ResolvedTarget,
    origin: CaptureOrigin,
  ): Promise<Capture> {
    const { reference } = spec;
    let type: string | undefined;
    return this.openMembers({ ...spec, follow: true }, origin, {
      node: this.sets.node,
      select: (entries) => {
        const named = entries.filter((entry) => isNamed(entry, name, prefix));
        // What the client calls the type may differ from what the directory does.
        type ??= named.find((entry) => namespaceKey(entry) === namespaceKey(reference))?.type;
        return named.filter((entry) => type === undefined || entry.type === type);
      },
      maxMembers: 1,
      namesTargets: false,
      first: { target: { name, prefix, type: givenType }, reference },
    });
  }

  /** Captures from all targets that match, including those that start later. */
  private async openSet(request: CaptureRequest, origin: CaptureOrigin): Promise<OpenedCapture> {
    const { name = '' } = request.target;
    const selectors = request.selectors ?? this.sets.selectorsOf(name);
    if (!selectors) {
      throw new CaptureError('no-such-target', `there is no set of targets named "${excerpt(name)}"`);
    }
    const entries = await this.whenTargetsAreKnown(origin.signal);
    const { node, maxMembers } = this.sets;
    const select = this.sets.selection(selectors);
    await this.permission.checkSome(select(entries), entries, origin.user);
    const options = { node, select, maxMembers, namesTargets: true };
    return {
      capture: await this.openMembers(this.streamSpec(request, origin, request.target), origin, options),
    };
  }

  private async openMembers(
    spec: SetSpec,
    { captureId, signal, client, user }: CaptureOrigin,
    options: SetMembershipOptions,
  ): Promise<Capture> {
    if (!this.provider.openSet) {
      throw new CaptureError('invalid-request', 'this service does not capture from sets of targets');
    }
    const onChange = (change: MemberChange): void => {
      const message = change.reason === undefined ? 'target joined' : 'target left';
      this.logger.log({ message, capture: captureId, ...change });
    };
    const membership = new SetMembership({ ...options, onChange, ...(user && { user: user.name }) });
    const capture = await this.provider.openSet(spec, membership, signal, client);
    membership.begin(capture);
    const unsubscribe = this.permitted.subscribe(
      user,
      (entries, permits) => membership.update(entries, permits),
      options.select,
    );
    void capture.end.then(unsubscribe, unsubscribe);
    return capture;
  }

  private streamSpec(
    request: CaptureRequest,
    { captureId, excludedConnections }: CaptureOrigin,
    target: CaptureTarget,
    reference?: NetnsReference,
  ): StreamSpec {
    const known = knownSpec(request);
    const excluded = { excludedConnections, excludedEndpoints: this.excludedEndpointsOf(request) };
    const facts = { captureId, version: SERVICE_VERSION, ...(reference && { reference }), ...excluded };
    const sectionComments = [sectionComment({ target, ...known }), serviceComment(facts)];
    return { captureId, ...known, sectionComments, ...excluded };
  }

  /** @throws CaptureError when there are more than a capture can exclude */
  private excludedEndpointsOf({ excludedEndpoints: requested = [] }: CaptureRequest): readonly TcpEndpoint[] {
    const all = endpointsFrom([...this.excludedEndpoints, ...requested].map(endpointText));
    if (all.length <= MAX_EXCLUSIONS) return all;
    throw new CaptureError(
      'invalid-request',
      `exclude: with those of the service, these are more than ${MAX_EXCLUSIONS} endpoints`,
    );
  }

  private async whenTargetsAreKnown(signal: AbortSignal): Promise<readonly DirectoryEntry[]> {
    try {
      return await this.live.whenKnown(signal);
    } catch (error) {
      throw asCaptureError(error);
    }
  }
}

function isSet({ selectors, target }: CaptureRequest): boolean {
  return selectors !== undefined || target.type === SET_TYPE;
}
