import { Injectable, Optional } from '@nestjs/common';
import { CaptureError, excerpt } from '../../../shared/protocol/capture-error.js';
import {
  isWithoutProcess,
  namespaceKey,
  nodeOfPrefix,
  TargetDirectory,
  type DirectoryEntry,
} from '../../discovery/target-directory.js';
import { asCaptureError } from '../as-capture-error.js';
import { CaptureMetrics } from '../capture-metrics.js';
import type { CaptureTarget } from '../request/capture-request.js';
import { NetnsResolver, type ResolvedTarget } from './netns-resolver.js';

/** Maximum number of targets that an error lists: more would not fit a close reason of 123 bytes. */
const MAX_LISTED = 2;

/**
 * First the client's own reference, if it can be verified or is all that is given, then what the directory lists by
 * that name:
 *
 * | given                        | candidates, each tried when the previous one proved stale |
 * |------------------------------|-----------------------------------------------------------|
 * | `netns`                      | the namespace, whatever processes are in it                |
 * | `netns`, `pid` (`startTime`) | the namespace, if that process is in it                    |
 * | the same and `name`          | the same; look-up; second look-up                          |
 * | `name` (`netns`), no `pid`   | look-up; second look-up                                    |
 */
@Injectable()
export class DirectoryNetnsResolver extends NetnsResolver {
  /** @param metrics measures how long look-ups take */
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
    const { netns, pid, startTime, name } = target;
    if (netns === undefined && !name) {
      throw new CaptureError('invalid-request', 'container: netns or name must be given');
    }
    // Without a process to verify it by, the inode number may have been reused: then a name is the better reference.
    if (netns !== undefined && (pid !== undefined || !name)) {
      yield within(target, { netns, pid, startTime, node: this.locate(target) });
    }
    if (!name) return;

    yield await this.lookUp(name, target, signal, false);
    // The target changed between the look-up and the opening: the next answer must be gathered after that.
    yield await this.lookUp(name, target, signal, true);
  }

  /** The target as the directory lists it; everything but the namespace and the type is the client's. */
  private async lookUp(
    name: string,
    target: CaptureTarget,
    signal: AbortSignal,
    fresh: boolean,
  ): Promise<ResolvedTarget> {
    let entries: DirectoryEntry[];
    try {
      const lookup = this.find(name, target, signal, fresh);
      entries = await (this.metrics?.timeLookup(lookup, signal) ?? lookup);
    } catch (error) {
      throw asCaptureError(error);
    }
    const { netns, pid, startTime, node, type } = chooseEntry(entries, name, target);
    return within({ ...target, type: type || target.type }, { netns, pid, startTime, node });
  }

  /** The node that has the namespace; undefined: there is one host only. */
  private locate(target: CaptureTarget): string | undefined {
    const nodes = this.directory.locate?.(target);
    if (nodes?.length === 0) {
      throw new CaptureError('no-such-namespace', `no node lists network namespace ${target.netns}`);
    }
    if (nodes && nodes.length > 1) {
      const listed = nodes.slice(0, MAX_LISTED).map(excerpt).join(', ');
      const message = `network namespace ${target.netns} is on several nodes (${listed}): name one as prefix`;
      throw new CaptureError('ambiguous-reference', message);
    }
    return nodes?.[0];
  }

  /**
   * A namespace without a process has no stable name: its name is made of the paths where it is mounted, and GhostWire names
   * another one with each list. If the directory does not know such a name, it may still know the namespace.
   */
  private async find(
    name: string,
    { prefix, netns }: CaptureTarget,
    signal: AbortSignal,
    fresh: boolean,
  ): Promise<DirectoryEntry[]> {
    const found = await this.directory.find(name, prefix, signal, { fresh });
    if (found.length > 0 || netns === undefined || !name.startsWith('/')) return found;
    const all = await this.directory.list(signal);
    return all.filter((entry) => entry.netns === netns && isWithoutProcess(entry) && isOn(prefix, entry));
  }
}

/** Where a target is; zero and undefined mean that it is not known. */
interface Place {
  readonly netns: number;
  readonly pid: number | undefined;
  readonly startTime: number | undefined;
  readonly node: string | undefined;
}

/** A start time without its process verifies nothing. */
function within(target: CaptureTarget, { netns, pid, startTime, node }: Place): ResolvedTarget {
  const { name, prefix, type, nodeName, cluster, interfaces } = target;
  return {
    ...(name !== undefined && { name }),
    ...{ prefix, type, nodeName, interfaces, netns },
    ...(cluster && { cluster }),
    ...(pid && { pid, ...(startTime && { startTime }) }),
    ...(node !== undefined && { node }),
  };
}

/** Whether an entry is on the node that a prefix names, if there are several nodes. */
function isOn(prefix: string, { node }: DirectoryEntry): boolean {
  return node === undefined || prefix === '' || node === nodeOfPrefix(prefix);
}

/**
 * Of several entries with the requested name, the one that the client means: by namespace, then by type. Entries in the
 * same namespace mean the same target, as when two runtimes list one container.
 *
 * @throws CaptureError `no-such-target`; `ambiguous-reference`, whose message lists candidates
 */
function chooseEntry(
  entries: readonly DirectoryEntry[],
  name: string,
  target: CaptureTarget,
): DirectoryEntry {
  const sameNetns = prefer(entries, (entry) => entry.netns === target.netns);
  const left = prefer(sameNetns, (entry) => entry.type === target.type);
  if (new Set(left.map(namespaceKey)).size > 1) throw ambiguous(name, left);
  // An entry with a process can be verified more strictly.
  const entry = left.find(({ pid, startTime }) => pid > 0 && startTime > 0) ?? left[0];
  if (entry) return entry;
  const what = `no target named "${excerpt(name)}"`;
  const message = target.prefix ? `${what} with prefix "${excerpt(target.prefix)}"` : what;
  throw new CaptureError('no-such-target', message);
}

/** The entries that are wanted; if none is, all of them. */
function prefer(
  entries: readonly DirectoryEntry[],
  isWanted: (entry: DirectoryEntry) => boolean,
): readonly DirectoryEntry[] {
  const wanted = entries.filter(isWanted);
  return wanted.length > 0 ? wanted : entries;
}

function ambiguous(name: string, entries: readonly DirectoryEntry[]): CaptureError {
  const listed = entries
    .slice(0, MAX_LISTED)
    .map(({ type, netns, node }) => `${excerpt(type).slice(0, 12)} in ${netns}${node ? ` on ${node}` : ''}`);
  const others = entries.length - listed.length;
  return new CaptureError(
    'ambiguous-reference',
    `"${excerpt(name)}" is ambiguous: ${listed.join(', ')}${others > 0 ? ` and ${others} more` : ''}`,
  );
}
