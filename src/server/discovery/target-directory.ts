import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { PROJECT_LABELS } from '../../shared/protocol/target-selector.js';

/**
 * A capture target, as a directory lists it.
 *
 * @publicApi
 */
export interface DirectoryEntry {
  /** Container name, `namespace/name` of a pod, `comm(pid)` of a process, or paths of bind mounts joined by `:`. */
  readonly name: string;
  /** Distinguishes equal names of several runtimes, as in Docker-in-Docker; usually empty. In a cluster it begins with `node`. */
  readonly prefix: string;
  /** `docker`, `containerd`, `podman`, `pod`, `proc`, `bindmount`, ... */
  readonly type: string;
  /** Inode number of the network namespace. */
  readonly netns: number;
  /** Process in that namespace; 0: none. */
  readonly pid: number;
  /** Its start time, field 22 of proc_pid_stat(5), in clock ticks; 0: unknown. */
  readonly startTime: number;
  readonly interfaces: readonly string[];
  /** Labels of a container or pod; absent: none, or unknown. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly image?: string;
  /** Name of the host; absent: this one. Only the directory of a cluster has entries of others. */
  readonly node?: string;
  /** `namespace/name` of the Deployment, StatefulSet, DaemonSet, Job, ... of a pod; absent: it has none, or that is unknown. */
  readonly workload?: string;
  /** Whether a pod uses the network namespace of its node; absent: unknown. */
  readonly hostNetwork?: boolean;
}

/** What a client says about a target, from which its node can be told. */
export type LocatedTarget = Partial<Pick<DirectoryEntry, 'prefix' | 'netns' | 'pid' | 'startTime'>>;

/** How to look up a name. */
export interface FindOptions {
  /**
   * The directory must gather its answer after this call, because the previous answer was stale: neither a cached
   * answer is acceptable nor one that is being gathered for another call.
   */
  readonly fresh?: boolean;
}

/**
 * Port: lists the capture targets of this host. Replace it with `DiscoveryModule.forRoot({ targetDirectory })`, and run
 * `test/contracts/target-directory.contract.ts` on your implementation.
 *
 * @publicApi
 */
export abstract class TargetDirectory {
  /**
   * Finds all entries with that name and prefix, as `isNamed` compares them; perhaps none.
   *
   * @param signal aborted when the caller no longer needs the answer; the promise then rejects with its reason
   * @throws TargetDirectoryError when the directory cannot be reached, or its answer cannot be used
   */
  abstract find(
    name: string,
    prefix: string,
    signal?: AbortSignal,
    options?: FindOptions,
  ): Promise<DirectoryEntry[]>;

  /**
   * Lists all entries.
   *
   * @param signal aborted when the caller no longer needs the answer; the promise then rejects with its reason
   * @throws TargetDirectoryError when the directory cannot be reached, or its answer cannot be used
   */
  abstract list(signal?: AbortSignal): Promise<DirectoryEntry[]>;

  /** What kept the last list from being complete, for people. */
  get problems(): readonly string[] {
    return [];
  }

  /**
   * Names the nodes that may have a target, which a client refers to by its network namespace. A directory without this method has
   * the targets of this host only.
   */
  locate?(target: LocatedTarget): readonly string[];

  /**
   * Lists all entries at once, and again whenever they have changed. By default, this asks `list` every few seconds.
   *
   * @param signal ends the iteration: it throws the reason
   * @throws TargetDirectoryError when the directory cannot be reached any more, or its answer cannot be used
   */
  async *watch(signal: AbortSignal): AsyncIterable<readonly DirectoryEntry[]> {
    let known: readonly DirectoryEntry[] | undefined;
    for (;;) {
      const entries = await this.list(signal);
      if (!isDeepStrictEqual(entries, known)) yield entries;
      known = entries;
      await sleep(WATCH_INTERVAL_MS, undefined, { signal });
    }
  }
}

/** GhostWire scans the host for each list. */
const WATCH_INTERVAL_MS = 3_000;

/** The Kubernetes namespace of a pod; empty: it is none. */
export function podNamespaceOf({ type, name }: Pick<DirectoryEntry, 'type' | 'name'>): string {
  return type === 'pod' ? name.slice(0, Math.max(0, name.indexOf('/'))) : '';
}

/** The Compose project of a container; empty: it has none, or that is unknown. */
export function projectOf({ labels = {} }: Pick<DirectoryEntry, 'labels'>): string {
  for (const label of PROJECT_LABELS) if (Object.hasOwn(labels, label) && labels[label]) return labels[label];
  return '';
}

/**
 * Pods without a prefix are compared by name alone: GhostWire lists them without the prefix that its own page sends for
 * them. A prefix tells whose pod it is, so a pod that has one is not found without it.
 *
 * A namespace without a process is found by each path where it is mounted, with or without GhostWire's reference to the mount
 * namespace before it: such a name is made of all paths that are known at the time.
 *
 * In a cluster, a name without a prefix means that name on any node.
 */
export function isNamed(entry: DirectoryEntry, name: string, prefix: string): boolean {
  const ownPrefix = ownPrefixOf(entry);
  const isSought = entry.prefix === prefix || (prefix === '' && ownPrefix === '');
  if (!isSought && (entry.type !== 'pod' || entry.prefix !== '')) return false;
  return entry.name === name || (isWithoutProcess(entry) && hasPath(entry.name, name));
}

/** The prefix without the name of the node. */
export function ownPrefixOf({ node, prefix }: Pick<DirectoryEntry, 'node' | 'prefix'>): string {
  return node === undefined ? prefix : prefix.slice(node.length + 1);
}

/** The node that a prefix begins with; node names have no slash. */
export function nodeOfPrefix(prefix: string): string {
  return prefix.split('/', 1)[0] ?? '';
}

/** The prefix of a target in the directory of a cluster. */
export function prefixInCluster(node: string, ownPrefix: string): string {
  return ownPrefix === '' ? node : `${node}/${ownPrefix}`;
}

/** Identifies a network namespace: each host numbers its own. */
export function namespaceKey({ node, netns }: Pick<DirectoryEntry, 'node' | 'netns'>): string {
  return node === undefined ? String(netns) : `${node} ${netns}`;
}

/** Whether a bind mount, or something else than a process, keeps the namespace of an entry alive. */
export function isWithoutProcess({ pid }: DirectoryEntry): boolean {
  return pid === 0;
}

function hasPath(paths: string, name: string): boolean {
  const path = withoutMountNamespace(name);
  return path.startsWith('/') && `:${withoutMountNamespace(paths)}:`.includes(`:${path}:`);
}

function withoutMountNamespace(name: string): string {
  return name.replace(/^\/proc\/\d+\/ns\/mnt:/, '');
}

/**
 * `unreachable`: no connection to the directory could be established, so another directory may answer instead.
 * `failed`: its answer is late or cannot be used.
 */
export type TargetDirectoryFailure = 'unreachable' | 'failed';

/**
 * The directory cannot be reached, or its answer cannot be used. The message is for the user of the client.
 *
 * @publicApi
 */
export class TargetDirectoryError extends Error {
  readonly reason: TargetDirectoryFailure;

  constructor(message: string, options: ErrorOptions & { reason?: TargetDirectoryFailure } = {}) {
    super(message, options);
    this.name = 'TargetDirectoryError';
    this.reason = options.reason ?? 'failed';
  }
}
