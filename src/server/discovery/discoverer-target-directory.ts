import { setTimeout as sleep } from 'node:timers/promises';
import { ListingTargetDirectory } from './listing-target-directory.js';
import { getMobyshark, parseMobyshark } from './mobyshark-client.js';
import type { ServerEnvironment } from '../../shared/supervisor-link/supervisor-link.js';
import type { HttpDocument } from '../../shared/http/get-document.js';
import { TargetDirectoryError, type DirectoryEntry } from './target-directory.js';

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

/** `fresh`: the scan must begin after the request. `after`: answer when the list is no longer the one with that ETag. */
type Wanted = 'fresh' | { readonly after: string } | undefined;

/**
 * Gets the list of targets from the discoverer, as the JSON text of GhostWire's `/mobyshark`, with an ETag.
 *
 * @param discoverer where it listens, and how it is started
 * @param wanted default: the result of a scan that may run already
 * @param startTimeoutMs how long to wait for the discoverer to listen
 * @throws TargetDirectoryError, or the signal's reason when it is aborted
 */
export async function getDiscoveredTargets(
  { socketPath, requestStart }: Discoverer,
  wanted: Wanted,
  signal: AbortSignal,
  startTimeoutMs = DEFAULT_START_TIMEOUT_MS,
): Promise<HttpDocument> {
  if (socketPath === undefined) throw new TargetDirectoryError('there is no directory of targets');
  const deadline = performance.now() + startTimeoutMs;
  const path = `/mobyshark${queryOf(wanted)}`;
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

function queryOf(wanted: Wanted): string {
  if (wanted === undefined) return '';
  return wanted === 'fresh' ? '?fresh' : `?after=${encodeURIComponent(wanted.after)}`;
}

/**
 * Asks the discoverer, which scans the host for each request. Its answer is never cached, only shared by concurrent
 * requests.
 */
export class DiscovererTargetDirectory extends ListingTargetDirectory {
  private lastProblems: readonly string[] = [];

  constructor(
    private readonly discoverer: Discoverer,
    private readonly startTimeoutMs?: number,
  ) {
    // Always fresh: a scan that runs already may have been started for the list at /discover/mobyshark.
    super(async (signal) => this.parse((await this.get('fresh', signal)).body));
  }

  override get problems(): readonly string[] {
    return this.lastProblems;
  }

  /** The discoverer answers when something has changed, or after 15 s. */
  override async *watch(signal: AbortSignal): AsyncIterable<readonly DirectoryEntry[]> {
    for (let version = ''; ;) {
      const { body, headers } = await this.get({ after: version }, signal);
      const now = (headers.etag ?? '').replaceAll('"', '');
      if (now !== version) yield this.parse(body);
      version = now;
    }
  }

  private parse(body: string): DirectoryEntry[] {
    return parseMobyshark(body, DISCOVERER_NAME, (problems) => (this.lastProblems = problems));
  }

  private get(wanted: Wanted, signal: AbortSignal): Promise<HttpDocument> {
    return getDiscoveredTargets(this.discoverer, wanted, signal, this.startTimeoutMs);
  }
}
