import type { ProcessFacts } from '../process-table.js';

/** A Kubernetes pod, as far as one of its containers knows it. */
export interface PodFacts {
  /** `namespace/name` */
  readonly name: string;
  /** Whether this is the container that only holds the pod's namespaces. */
  readonly sandbox: boolean;
}

/** A container that some source tells of; its process may still have to be found. */
export interface ListedContainer {
  /** The engine's. */
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly pod?: PodFacts;
  /** Root process as the source knows it, in the process ids of the source. */
  readonly pid?: number;
}

/** A running container. */
export interface Container extends Omit<ListedContainer, 'pid'> {
  readonly process: ProcessFacts;
  /** Id of the container that its engine runs in. */
  readonly outer?: string;
}

/** Annotations of a runtime bundle, or labels of an engine. */
export type Labels = Readonly<Record<string, unknown>>;

/** Where Kubernetes' runtimes write down which pod a container is of. */
const POD_NAME_LABELS = ['io.kubernetes.pod.name', 'io.kubernetes.cri.sandbox-name'];
const POD_NAMESPACE_LABELS = ['io.kubernetes.pod.namespace', 'io.kubernetes.cri.sandbox-namespace'];
/** dockershim, cri-dockerd; containerd; CRI-O. */
const KIND_LABELS = [
  'io.kubernetes.docker.type',
  'io.kubernetes.cri.container-type',
  'io.kubernetes.cri-o.ContainerType',
];
const SANDBOX_KINDS: readonly unknown[] = ['podsandbox', 'sandbox'];

/** The pod that labels tell of, if they do. */
export function podOf(labels: Labels): PodFacts | undefined {
  const name = firstText(labels, POD_NAME_LABELS);
  const namespace = firstText(labels, POD_NAMESPACE_LABELS);
  if (!name || !namespace) return undefined;
  const sandbox = KIND_LABELS.some((label) => SANDBOX_KINDS.includes(labels[label]));
  return { name: `${namespace}/${name}`, sandbox };
}

function firstText(labels: Labels, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = Object.hasOwn(labels, name) ? labels[name] : undefined;
    if (typeof value === 'string' && value !== '') return value;
  }
  return undefined;
}

export function isRecord(value: unknown): value is Labels {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
