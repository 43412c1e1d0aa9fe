import type { ProcessFacts } from '../process-table.js';
import type { Claimant } from './claims.js';

/** The Kubernetes pod of a container, as the container's labels name it. */
export interface PodFacts {
  /** `namespace/name` */
  readonly name: string;
  /** Whether this is the sandbox, the container that only keeps the namespaces of the pod alive. */
  readonly sandbox: boolean;
}

/** A container as a source lists it; its process may still be unknown. */
export interface ListedContainer {
  /** The runtime's id. */
  readonly id: string;
  readonly type: string;
  readonly name: string;
  readonly pod?: PodFacts;
  /** Root process, in the PID namespace of the runtime. */
  readonly pid?: number;
}

/** A running container. */
export interface Container extends Omit<ListedContainer, 'pid'> {
  readonly process: ProcessFacts;
  /** Who says so. */
  readonly claimant: Claimant;
}

/** Annotations of an OCI bundle, or labels of a container. */
export type Labels = Readonly<Record<string, unknown>>;

/** Where the runtimes of Kubernetes record the pod of a container. */
const POD_NAME_LABELS = ['io.kubernetes.pod.name', 'io.kubernetes.cri.sandbox-name'];
const POD_NAMESPACE_LABELS = ['io.kubernetes.pod.namespace', 'io.kubernetes.cri.sandbox-namespace'];
/** Of dockershim and cri-dockerd; of containerd; of CRI-O. */
const KIND_LABELS = [
  'io.kubernetes.docker.type',
  'io.kubernetes.cri.container-type',
  'io.kubernetes.cri-o.ContainerType',
];
const SANDBOX_KINDS: readonly unknown[] = ['podsandbox', 'sandbox'];

/**
 * The pod that the labels of a container name, if any.
 *
 * @param maxBytes of each of its two names
 */
export function podOf(labels: Labels, maxBytes: number): PodFacts | undefined {
  const name = firstText(labels, POD_NAME_LABELS);
  const namespace = firstText(labels, POD_NAMESPACE_LABELS);
  if (!name || !namespace || exceeds(name, maxBytes) || exceeds(namespace, maxBytes)) return undefined;
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

export function exceeds(text: string, maxBytes: number): boolean {
  return text.length > maxBytes || Buffer.byteLength(text) > maxBytes;
}

export function isRecord(value: unknown): value is Labels {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
