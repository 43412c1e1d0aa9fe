import { namespaceKey, ownPrefixOf, podNamespaceOf, type DirectoryEntry } from './target-directory.js';
import { textOf, type CaptureRight } from '../access/capture-access.js';

const NODES: readonly CaptureRight[] = [{ kind: 'nodes' }];

/** What identifies the network namespace of a target. */
export type NamespaceOfTarget = Pick<DirectoryEntry, 'netns' | 'node'>;

/** What the rights follow from. */
export type RightsEntry = NamespaceOfTarget &
  Pick<DirectoryEntry, 'type' | 'name' | 'prefix' | 'pid' | 'hostNetwork'>;

/** The rights that are needed to capture from a target, all of them. */
export type RightsOf = (target: NamespaceOfTarget) => readonly CaptureRight[];

/**
 * The rights follow from all targets in a network namespace, because a capture shows the packets of all of them: for the
 * namespace of a pod, that to capture from pods of its Kubernetes namespace, whatever else is in it; for all others, that to
 * capture from nodes. A pod that uses the network of its node is part of the node.
 *
 * @param entries all targets
 */
export function rightsIn(entries: readonly RightsEntry[]): RightsOf {
  const hosts = new Map<string | undefined, number>();
  for (const { type, pid, node, netns } of entries) if (type === 'proc' && pid === 1) hosts.set(node, netns);
  const pods = Map.groupBy(entries.filter(isOfKubernetes), namespaceKey);
  return (target) => {
    const host = hosts.get(target.node);
    const inside = pods.get(namespaceKey(target));
    if (!inside || target.netns === host) return NODES;
    // Neither Kubernetes nor the process of the host says that the pod has a network of its own.
    const isOwn = (pod: RightsEntry): boolean => pod.hostNetwork === false || host !== undefined;
    if (!inside.every((pod) => pod.hostNetwork !== true && isOwn(pod))) return NODES;
    return [...new Set(inside.map(podNamespaceOf))].map((namespace) => ({ kind: 'pods', namespace }));
  };
}

/** Each right once. */
export function distinct(rights: Iterable<CaptureRight>): CaptureRight[] {
  return [...new Map([...rights].map((right) => [textOf(right), right])).values()];
}

/** A pod with a prefix is the claim of a container or a user, who could call anything a pod. */
function isOfKubernetes(entry: RightsEntry): boolean {
  return podNamespaceOf(entry) !== '' && ownPrefixOf(entry) === '';
}
