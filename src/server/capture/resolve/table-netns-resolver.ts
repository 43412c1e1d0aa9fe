import { Injectable, Optional } from '@nestjs/common';
import {
  TargetDirectory,
  TargetDirectoryError,
  type DirectoryEntry,
} from '../../discovery/target-directory.js';
import type { NetnsReference } from '../../../shared/protocol/capture-spec.js';
import { CaptureError, excerpt } from '../../../shared/protocol/capture-error.js';
import { CaptureMetrics } from '../capture-metrics.js';
import type { CaptureTarget } from '../request/capture-target.js';
import { chooseEntry } from './choose-entry.js';
import { NetnsResolver, type ResolvedTarget } from './netns-resolver.js';

/**
 * The client's own reference first, where it has one that can be verified or nothing else, then what the directory
 * knows by that name:
 *
 * | given                         | tried, one after the other as long as they prove stale |
 * |-------------------------------|--------------------------------------------------------|
 * | `netns`                       | the namespace, whoever is in it                         |
 * | `netns`, `pid` (`startTime`)  | the namespace, if that process is in it                 |
 * | the same and `name`           | the same; look-up; look-up once more                    |
 * | `name` (`netns`), no `pid`    | look-up; look-up once more                              |
 */
@Injectable()
export class TableNetnsResolver extends NetnsResolver {
  /** @param metrics gets to know how long look-ups take */
  constructor(
    private readonly directory: TargetDirectory,
    @Optional() private readonly metrics?: CaptureMetrics,
  ) {
    super();
  }

  override async *candidates(
    target: CaptureTarget,
    signal: AbortSignal,
  ): AsyncGenerator<ResolvedTarget, void> {
    const { name } = target;
    const own = ownReference(target);
    if (!own && !name) throw new CaptureError('invalid-request', 'container: netns or name must be given');

    // A namespace without a process to verify it by may have been reused: with a name, there is a better way.
    if (own && (own.pid !== undefined || !name)) yield { target, reference: own };
    if (!name) return;

    yield await this.lookUp(name, target, signal, false);
    // It went stale between the look-up and the opening. The next answer must be younger than that.
    yield await this.lookUp(name, target, signal, true);
  }

  private async lookUp(
    name: string,
    target: CaptureTarget,
    signal: AbortSignal,
    fresh: boolean,
  ): Promise<ResolvedTarget> {
    const entries = await this.find(name, target.prefix, signal, fresh);
    const entry = chooseEntry(entries, target);
    if (!entry) throw new CaptureError('no-such-target', notFound(name, target.prefix));
    return { target: merge(target, entry), reference: entryReference(entry) };
  }

  private async find(
    name: string,
    prefix: string,
    signal: AbortSignal,
    fresh: boolean,
  ): Promise<DirectoryEntry[]> {
    try {
      const lookup = this.directory.find(name, prefix, signal, { fresh });
      return await (this.metrics?.timeLookup(lookup, signal) ?? lookup);
    } catch (cause) {
      if (!(cause instanceof TargetDirectoryError)) throw cause;
      throw new CaptureError('discovery-failed', cause.message, { cause });
    }
  }
}

function ownReference({ netns, pid, startTime }: CaptureTarget): NetnsReference | undefined {
  return netns === undefined ? undefined : reference(netns, pid, startTime);
}

function entryReference({ netns, pid, startTime }: DirectoryEntry): NetnsReference {
  return reference(netns, pid || undefined, startTime || undefined);
}

/** A start time without its process verifies nothing. */
function reference(netns: number, pid?: number, startTime?: number): NetnsReference {
  if (pid === undefined) return { netns };
  return startTime === undefined ? { netns, pid } : { netns, pid, startTime };
}

/** What the directory says about the namespace, and what the client says about everything else. */
function merge(target: CaptureTarget, entry: DirectoryEntry): CaptureTarget {
  const { name, prefix, nodeName, cluster, interfaces } = target;
  return {
    ...entryReference(entry),
    ...(name !== undefined && { name }),
    prefix,
    type: entry.type || target.type,
    nodeName,
    ...(cluster && { cluster }),
    interfaces,
  };
}

function notFound(name: string, prefix: string): string {
  const what = `no target named "${excerpt(name)}"`;
  return prefix ? `${what} with prefix "${excerpt(prefix)}"` : what;
}
