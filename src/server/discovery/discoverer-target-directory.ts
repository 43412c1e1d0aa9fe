import { setTimeout as sleep } from 'node:timers/promises';
import { ListingTargetDirectory } from './listing-target-directory.js';
import { getMobyshark, parseMobyshark } from './mobyshark-client.js';
import type { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import { TargetDirectoryError } from './target-directory.js';

/** Name of the discoverer in messages. */
export const DISCOVERER_NAME = 'the discoverer';

/** The discoverer starts on demand within half a second, later on a busy machine, and is restarted when it dies. */
const DEFAULT_START_TIMEOUT_MS = 10_000;
const RETRY_INTERVAL_MS = 50;

/** Where the discoverer is to be found. */
export interface Discoverer {
  /** Path of its unix socket, see src/discoverer/; undefined: there is no discoverer. */
  readonly socketPath: string | undefined;
  /** Asks for its start; absent: it always runs. */
  readonly requestStart?: ServerEnvironment['requestStart'];
}

/**
 * Gets the list of targets from the discoverer, as the JSON text of GhostWire's `/mobyshark`.
 *
 * @param discoverer where it listens, and how it is started
 * @param fresh whether the scan must begin after this call
 * @param startTimeoutMs how long to wait for the discoverer to listen
 * @throws TargetDirectoryError, or the signal's reason when it is aborted
 */
export async function getDiscoveredTargets(
  { socketPath, requestStart }: Discoverer,
  fresh: boolean,
  signal: AbortSignal,
  startTimeoutMs = DEFAULT_START_TIMEOUT_MS,
): Promise<string> {
  if (socketPath === undefined) throw new TargetDirectoryError('there is no directory of targets');
  const deadline = performance.now() + startTimeoutMs;
  const path = fresh ? '/mobyshark?fresh' : '/mobyshark';
  for (;;) {
    try {
      return await getMobyshark({ name: DISCOVERER_NAME, address: { socketPath } }, path, signal);
    } catch (error) {
      const isStarting = error instanceof TargetDirectoryError && error.reason === 'unreachable';
      if (!isStarting || performance.now() > deadline) throw error;
    }
    requestStart?.(socketPath);
    await sleep(RETRY_INTERVAL_MS);
    signal.throwIfAborted();
  }
}

/**
 * Asks the discoverer, which scans the host for each request. Its answer is never cached, only shared by concurrent
 * requests.
 */
export class DiscovererTargetDirectory extends ListingTargetDirectory {
  constructor(discoverer: Discoverer, startTimeoutMs?: number) {
    // Always fresh: a scan that runs already may have been started for the list at /discover/mobyshark.
    super(async (signal) =>
      parseMobyshark(await getDiscoveredTargets(discoverer, true, signal, startTimeoutMs), DISCOVERER_NAME),
    );
  }
}
