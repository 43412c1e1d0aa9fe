import type { CaptureTarget } from '../request/capture-request.js';

/**
 * A target whose network namespace is known. `pid` and `startTime`, if present, are verified on the opened namespace.
 *
 * @publicApi
 */
export interface ResolvedTarget extends CaptureTarget {
  readonly netns: number;
  /** Name of the host; absent: this one. */
  readonly node?: string;
}

/**
 * Port: from what a client means to the network namespaces that it may mean. Replace it with
 * `CaptureModule.forRoot({ netnsResolver })`, and test yours with `test/contracts/netns-resolver.contract.ts`.
 *
 * @publicApi
 */
export abstract class NetnsResolver {
  /**
   * Yields the target with each network namespace to try, best first. Nothing is verified here: the capture provider
   * does that on the opened namespace. The caller requests the next one only when the last one proved stale or
   * nonexistent, so nothing is looked up if the client's own reference is good.
   *
   * @throws CaptureError `no-such-target`, `ambiguous-reference`, `discovery-failed`, `invalid-request`
   */
  abstract candidates(target: CaptureTarget, signal: AbortSignal): AsyncIterable<ResolvedTarget>;
}
