import type { ProcessFacts } from '../process-table.js';
import type { Claimant } from './claims.js';

/** The Kubernetes pod of a container, as the container's labels name it. */
export interface PodFacts {
  /** `namespace/name` */
  readonly name: string;
  /** Whether this is the sandbox, the container that only keeps the namespaces of the pod alive. */
  readonly sandbox: boolean;
}

/** What a runtime knows of a container besides its name. */
export interface ContainerDetails {
  /** Those of a Kubernetes pod are of its sandbox. Bounded, see `labelsOf`; absent: none. */
  readonly labels?: Readonly<Record<string, string>>;
  /** As it was given to the runtime; absent: unknown. */
  readonly image?: string;
}

/** A container as a source lists it; its process may still be unknown. */
export interface ListedContainer extends ContainerDetails {
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

/** Labels are for people and programs, not for data. */
const MAX_LABELS = 128;
const MAX_LABEL_KEY_BYTES = 256;
const MAX_LABEL_BYTES = 1024;
const MAX_LABELS_BYTES = 16 * 1024;
const MAX_IMAGE_BYTES = 1024;

/** @returns the labels and the image as details of a container; what is too long, or not a text, is left out */
export function detailsOf(labels: Labels, image: unknown): ContainerDetails {
  const kept = labelsOf(labels);
  const isImage = typeof image === 'string' && image !== '' && !exceeds(image, MAX_IMAGE_BYTES);
  return { ...(Object.keys(kept).length > 0 && { labels: kept }), ...(isImage && { image }) };
}

function labelsOf(labels: Labels): Record<string, string> {
  const kept: [string, string][] = [];
  let bytes = 0;
  for (const key in labels) {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    if (typeof value !== 'string' || exceeds(key, MAX_LABEL_KEY_BYTES) || exceeds(value, MAX_LABEL_BYTES))
      continue;
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
    if (kept.length >= MAX_LABELS || bytes > MAX_LABELS_BYTES) break;
    kept.push([key, value]);
  }
  return Object.fromEntries(kept);
}

export function firstText(labels: Labels, names: readonly string[]): string | undefined {
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
