import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Pod } from 'kubernetes-types/core/v1.js';
import type { ListMeta, ObjectMeta, Status } from 'kubernetes-types/meta/v1.js';
import { KubernetesApiError, type KubernetesApi } from './kubernetes-api.js';

const PODS = '/api/v1/pods';
const PAGE = 500;
/** The API ends a watch after this time. A watch that is idle for longer has lost its connection. */
const WATCH_SECONDS = 60;
const IDLE_MS = 75_000;
/** An API, or a proxy in front of it, that ends each watch at once must not be asked without a break. */
const SHORT_WATCH_MS = 1_000;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 15_000;
/** HTTP status: the version from which to watch is too old. */
const GONE = 410;

/** What this service needs to know of a pod. */
export interface KnownPod {
  /** `namespace/name`. */
  readonly name: string;
  /** Name of the Kubernetes node; empty: it has not been assigned to one. */
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `namespace/name` of the Deployment, StatefulSet, DaemonSet, Job, ... that it belongs to. */
  readonly workload?: string;
  /** Whether it uses the network namespace of its node. */
  readonly hostNetwork: boolean;
}

export interface PodWatchOptions {
  readonly api: KubernetesApi;
  /** Called when the pods have changed in what is known of them. */
  readonly onChange: () => void;
  /** Called with the reason when the list has become outdated, and with undefined when it is up to date again. */
  readonly onOutdated?: (reason: KubernetesApiError | undefined) => void;
  /** Default: 75 s. */
  readonly idleMs?: number;
  /** First interval between two attempts; the later ones are longer. Default: 250 ms. */
  readonly retryMs?: number;
}

interface PodList {
  readonly metadata?: ListMeta;
  readonly items?: readonly Pod[];
}

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes */
type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: Pod }
  | { readonly type: 'BOOKMARK'; readonly object: { readonly metadata?: ObjectMeta } }
  | { readonly type: 'ERROR'; readonly object: Status };

/** All pods of the cluster: lists them, then watches how they change. What is known stays when the API cannot be asked. */
export class PodWatch {
  private known?: Map<string, KnownPod>;
  /** Why changes may have been missed; undefined: none has. */
  private problem: KubernetesApiError | undefined = new KubernetesApiError('it has not answered yet');
  private readonly ending = new AbortController();

  constructor(private readonly options: PodWatchOptions) {}

  /** By `namespace/name`; undefined: they have never been listed. */
  get pods(): ReadonlyMap<string, KnownPod> | undefined {
    return this.known;
  }

  /** Whether changes may have been missed. */
  get isOutdated(): boolean {
    return this.problem !== undefined;
  }

  begin(): void {
    void this.run(this.ending.signal);
  }

  end(): void {
    this.ending.abort();
  }

  /** Never rejects. */
  private async run(signal: AbortSignal): Promise<void> {
    const { retryMs: firstRetryMs = FIRST_RETRY_MS } = this.options;
    let retryMs = firstRetryMs;
    let version: string | undefined;
    while (!signal.aborted) {
      try {
        version ??= await this.list(signal);
        const begunAtMs = performance.now();
        for await (const reached of this.watch(version, signal)) {
          version = reached;
          retryMs = firstRetryMs;
        }
        // The API ends each watch after a while.
        if (performance.now() - begunAtMs > SHORT_WATCH_MS) continue;
      } catch (error) {
        if (signal.aborted) return;
        const failure = asApiError(error);
        // An answer that is a refusal, or nonsense, would come again: only a new list helps.
        if (failure.status !== undefined || failure !== error) version = undefined;
        if (failure.status !== GONE) this.setOutdated(failure);
      }
      // All clients lose the API at the same time, and must not come back at the same time.
      const waitMs = retryMs * (0.5 + Math.random());
      await sleep(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
      retryMs = Math.min(2 * retryMs, MAX_RETRY_MS);
    }
  }

  /** @returns the version of the list */
  private async list(signal: AbortSignal): Promise<string> {
    const pods = new Map<string, KnownPod>();
    let page: PodList;
    let next = '';
    do {
      const from = next && `&continue=${encodeURIComponent(next)}`;
      page = await this.options.api.get<PodList>(`${PODS}?limit=${PAGE}${from}`, signal);
      for (const pod of page.items ?? []) {
        const known = knownPod(pod);
        pods.set(known.name, known);
      }
      next = page.metadata?.continue ?? '';
    } while (next !== '');
    const { resourceVersion } = page.metadata ?? {};
    if (!resourceVersion) throw new KubernetesApiError('its list of pods has no version');
    const hasChanged = !isDeepStrictEqual(this.known, pods);
    this.known = pods;
    this.setOutdated(undefined);
    if (hasChanged) this.options.onChange();
    return resourceVersion;
  }

  /** Yields the versions that are reached. */
  private async *watch(version: string, signal: AbortSignal): AsyncGenerator<string, void> {
    const { api, idleMs = IDLE_MS } = this.options;
    const query = `watch=1&allowWatchBookmarks=true&timeoutSeconds=${WATCH_SECONDS}&resourceVersion=${version}`;
    const onBegun = (): void => this.setOutdated(undefined);
    for await (const line of api.watch(`${PODS}?${query}`, { idleMs, signal, onBegun })) {
      const event = line as WatchEvent;
      if (event.type === 'ERROR') {
        const { message = 'the watch failed', code = 500 } = event.object;
        throw new KubernetesApiError(message, code);
      }
      if (event.type !== 'BOOKMARK') this.apply(event.type === 'DELETED', event.object);
      const { resourceVersion } = event.object.metadata ?? {};
      if (resourceVersion) yield resourceVersion;
    }
  }

  private apply(isDeleted: boolean, pod: Pod): void {
    const now = knownPod(pod);
    const before = this.known?.get(now.name);
    if (isDeleted) this.known?.delete(now.name);
    else this.known?.set(now.name, now);
    // The state of a pod changes often, what is known of it rarely.
    if (isDeleted ? before !== undefined : !isDeepStrictEqual(before, now)) this.options.onChange();
  }

  private setOutdated(reason: KubernetesApiError | undefined): void {
    const isSame = reason?.message === this.problem?.message;
    this.problem = reason;
    if (!isSame) this.options.onOutdated?.(reason);
  }
}

/** @throws TypeError when it is no pod */
function knownPod({ metadata, spec }: Pod): KnownPod {
  const { namespace, name, labels = {} } = metadata!;
  const workload = workloadOf(metadata!);
  return {
    name: `${namespace}/${name}`,
    node: spec?.nodeName ?? '',
    labels,
    ...(workload !== undefined && { workload: `${namespace}/${workload}` }),
    hostNetwork: spec?.hostNetwork === true,
  };
}

/** A Deployment names its ReplicaSets after itself and the hash of their pod template. */
function workloadOf({ ownerReferences = [], labels = {} }: ObjectMeta): string | undefined {
  const owner = ownerReferences.find(({ controller }) => controller === true);
  if (owner?.kind !== 'ReplicaSet') return owner?.name;
  const suffix = `-${labels['pod-template-hash'] ?? ''}`;
  return suffix !== '-' && owner.name.endsWith(suffix) ? owner.name.slice(0, -suffix.length) : owner.name;
}

function asApiError(error: unknown): KubernetesApiError {
  if (error instanceof KubernetesApiError) return error;
  return new KubernetesApiError('its answer is not of the expected shape', undefined, { cause: error });
}
