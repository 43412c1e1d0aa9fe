import type { NetnsReference } from '../../../shared/protocol/capture-spec.js';
import type { CaptureTarget } from '../request/capture-target.js';

/**
 * A target together with the reference to capture it from.
 *
 * @publicApi
 */
export interface ResolvedTarget {
  readonly target: CaptureTarget;
  readonly reference: NetnsReference;
}

/**
 * Port: from what a client means to the network namespaces that it may mean. Swap it with
 * `CaptureModule.register({ netnsResolver })`.
 *
 * @publicApi
 */
export abstract class NetnsResolver {
  /**
   * Yields the references to try, best first. Nothing is verified here: the capture provider does that on the
   * opened namespace. The caller asks for the next one only when the last proved stale or gone, so a look-up
   * costs nothing where the client's own reference holds.
   *
   * @throws CaptureError `no-such-target`, `ambiguous-reference`, `discovery-failed`, `invalid-request`
   */
  abstract candidates(target: CaptureTarget, signal: AbortSignal): AsyncIterable<ResolvedTarget>;
}
