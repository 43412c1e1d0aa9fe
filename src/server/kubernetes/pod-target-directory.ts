import { Logger, type OnModuleDestroy } from '@nestjs/common';
import {
  ownPrefixOf,
  TargetDirectory,
  type DirectoryEntry,
  type FindOptions,
  type LocatedTarget,
} from '../discovery/target-directory.js';
import type { KubernetesApi } from './kubernetes-api.js';
import { PodWatch, type KnownPod } from './pod-watch.js';

/** Pods often change at the same time, as when a Deployment is scaled. */
const GATHER_MS = 200;

/**
 * Adds what the Kubernetes API knows of pods to a directory of a cluster: labels, what they belong to, and whether they use the network
 * of their node. A node is not believed that lists a pod of another node. Without the right to list pods, the directory is as it was.
 */
export class PodTargetDirectory extends TargetDirectory implements OnModuleDestroy {
  private readonly logger = new Logger('Kubernetes');
  private readonly watchers = new Set<() => void>();
  /** Nodes that have listed pods of other nodes. */
  private readonly reported = new Set<string>();
  private readonly watched: PodWatch;

  constructor(
    private readonly directory: TargetDirectory,
    api: KubernetesApi,
  ) {
    super();
    this.watched = new PodWatch({
      api,
      onChange: () => {
        for (const notify of this.watchers) notify();
      },
      onOutdated: (reason) => {
        if (!reason) this.logger.log('the pods are known, with their labels');
        else this.logger.warn(`the pods cannot be watched, their labels may be missing: ${reason.message}`);
      },
    });
    this.watched.begin();
    if (directory.locate) this.locate = (target: LocatedTarget) => directory.locate!(target);
  }

  onModuleDestroy(): void {
    this.watched.end();
  }

  override async find(
    name: string,
    prefix: string,
    signal?: AbortSignal,
    options?: FindOptions,
  ): Promise<DirectoryEntry[]> {
    return this.joined(await this.directory.find(name, prefix, signal, options));
  }

  override async list(signal?: AbortSignal): Promise<DirectoryEntry[]> {
    return this.joined(await this.directory.list(signal));
  }

  /** Lists again when the pods have changed, too. */
  override async *watch(signal: AbortSignal): AsyncIterable<readonly DirectoryEntry[]> {
    const ending = new AbortController();
    const targets = this.directory.watch(AbortSignal.any([signal, ending.signal]))[Symbol.asyncIterator]();
    let podsChanged = Promise.withResolvers<'pods'>();
    let timer: NodeJS.Timeout | undefined;
    const notify = (): void => void (timer ??= setTimeout(() => podsChanged.resolve('pods'), GATHER_MS));
    this.watchers.add(notify);
    try {
      const nextTargets = (): Promise<IteratorResult<readonly DirectoryEntry[], void>> => {
        const following = targets.next();
        following.catch(() => undefined); // it may be aborted while nobody waits for it
        return following;
      };
      let next = nextTargets();
      for (let entries: readonly DirectoryEntry[] | undefined; ;) {
        const change = await Promise.race([next, podsChanged.promise]);
        if (change === 'pods') {
          podsChanged = Promise.withResolvers();
          timer = undefined;
        } else {
          if (change.done) return;
          entries = change.value;
          next = nextTargets();
        }
        if (entries) yield this.joined(entries);
      }
    } finally {
      this.watchers.delete(notify);
      clearTimeout(timer);
      ending.abort();
    }
  }

  private joined(entries: readonly DirectoryEntry[]): DirectoryEntry[] {
    const { pods } = this.watched;
    if (!pods) return [...entries];
    return entries.flatMap((entry) => {
      // What has a prefix of its own is the claim of a container or a user.
      const pod = entry.type === 'pod' && ownPrefixOf(entry) === '' ? pods.get(entry.name) : undefined;
      if (!pod) return entry;
      return this.isOn(entry.node, pod) ? join(entry, pod) : [];
    });
  }

  private isOn(node: string | undefined, pod: KnownPod): boolean {
    if (node === undefined || node === pod.node) return true;
    if (!this.reported.has(node)) {
      this.reported.add(node);
      const where = pod.node === '' ? 'has no node yet' : `is on ${pod.node}`;
      this.logger.warn(
        `node ${node} lists pod ${pod.name}, which ${where} according to Kubernetes: left out`,
      );
    }
    return false;
  }
}

/** The node could call the labels anything. */
function join({ labels: _, ...entry }: DirectoryEntry, pod: KnownPod): DirectoryEntry {
  const { labels, workload, hostNetwork } = pod;
  return {
    ...entry,
    ...(Object.keys(labels).length > 0 && { labels }),
    ...(workload !== undefined && { workload }),
    hostNetwork,
  };
}
