import { setTimeout as sleep } from 'node:timers/promises';
import {
  isNamed,
  nodeOfPrefix,
  TargetDirectory,
  TargetDirectoryError,
  type DirectoryEntry,
  type FindOptions,
  type LocatedTarget,
} from '../discovery/target-directory.js';
import { describeAbsence, type ClusterNodes } from './cluster-nodes.js';

/** A gateway that has just started knows the nodes after a moment. */
const START_MS = 5_000;
/** A node tells its changes within this time. */
const FRESH_MS = 1_000;
/** Lists are published at most at this rate. */
const QUIET_MS = 200;

/**
 * The targets of all nodes. Each node tells its changes, so nothing is asked here; what a node says about a target is verified by that
 * node when it is captured from.
 */
export class ClusterTargetDirectory extends TargetDirectory {
  private readonly startedAtMs = performance.now();

  constructor(private readonly nodes: ClusterNodes) {
    super();
  }

  override async find(
    name: string,
    prefix: string,
    signal?: AbortSignal,
    { fresh = false }: FindOptions = {},
  ): Promise<DirectoryEntry[]> {
    // What has just changed on a node is known here a moment later.
    if (fresh) await this.nextChange(FRESH_MS, signal);
    const entries = await this.list(signal);
    const node = this.nodes.get(nodeOfPrefix(prefix));
    if (prefix !== '' && node?.absence) {
      throw new TargetDirectoryError(describeAbsence(node.name, node.absence));
    }
    return entries.filter((entry) => isNamed(entry, name, prefix));
  }

  override async list(signal?: AbortSignal): Promise<DirectoryEntry[]> {
    while (!this.isKnown && performance.now() - this.startedAtMs < START_MS) {
      await this.nextChange(QUIET_MS, signal);
    }
    signal?.throwIfAborted();
    if (this.nodes.all.every(({ absence }) => absence)) {
      const [problem = 'none of them answers'] = this.nodes.state.problems;
      throw new TargetDirectoryError(`no node of the cluster can be asked: ${problem}`);
    }
    return this.nodes.all.flatMap(({ targets }) => targets);
  }

  override async *watch(signal: AbortSignal): AsyncIterable<readonly DirectoryEntry[]> {
    for (;;) {
      const ending = new AbortController();
      const changed = this.nextChange(undefined, AbortSignal.any([signal, ending.signal]));
      changed.catch(() => undefined); // it may be aborted before it is awaited
      try {
        yield await this.list(signal);
        await changed;
      } finally {
        ending.abort();
      }
      await sleep(QUIET_MS, undefined, { signal });
    }
  }

  override locate({ prefix = '', netns, pid, startTime }: LocatedTarget): string[] {
    const named = this.nodes.get(nodeOfPrefix(prefix));
    if (named) return [named.name];
    const having = this.nodes.all.filter(({ targets }) =>
      targets.some(
        (target) =>
          target.netns === netns &&
          (pid === undefined || target.pid === pid) &&
          (startTime === undefined || target.startTime === startTime),
      ),
    );
    return having.map(({ name }) => name);
  }

  override get problems(): readonly string[] {
    return this.nodes.problems;
  }

  private get isKnown(): boolean {
    const { all, state } = this.nodes;
    return all.length >= Math.max(1, state.addresses) && all.every(({ targets }) => targets.length > 0);
  }

  /** Settles after a change, or after that time. */
  private async nextChange(timeMs: number | undefined, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const end = this.nodes.onChange(resolve);
    const onAbort = (): void => reject(signal?.reason as Error);
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer = timeMs === undefined ? undefined : setTimeout(resolve, timeMs);
    try {
      await promise;
    } finally {
      end();
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }
}
