import {
  matcherOf,
  type SelectableTarget,
  type TargetSelector,
} from '../../shared/protocol/target-selector.js';

/** A target as the service lists it, see "Targets" in docs/api.md. */
export interface Target extends SelectableTarget {
  readonly netns: number;
  readonly pid: number;
  readonly starttime: number;
  readonly interfaces: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** The project of Docker Compose. */
  readonly project: string;
  readonly image: string;
}

/** Labels of Docker Compose and podman-compose that name the project. */
export const PROJECT_LABELS = ['com.docker.compose.project', 'io.podman.compose.project'];

/** Identifies a target as docs/api.md says, across hosts. */
export function keyOf({ node, netns, pid, starttime, prefix, name }: Target): string {
  return JSON.stringify(pid === 0 ? [node, netns, prefix, name] : [node, netns, pid, starttime, prefix]);
}

/** Whether two targets are the same container, pod, ..., perhaps started again. */
export function isSuccessor(one: Target, other: Target): boolean {
  const same = ['name', 'prefix', 'type', 'node'] as const;
  return one.name !== '' && same.every((attribute) => one[attribute] === other[attribute]);
}

/** Processes and bind mounts: there are many, and most people look for containers. */
export function isContainer({ type }: Target): boolean {
  return type !== 'proc' && type !== 'bindmount';
}

/** For people: the name of a target, with that of the container or user that it is in. */
export function titleOf({ name, prefix, netns }: Target): string {
  return (name || `network namespace ${netns}`) + (prefix && ` in ${prefix}`);
}

/** The targets that the service will capture from for these selectors. */
export function selectedBy(selectors: readonly TargetSelector[], targets: readonly Target[]): Target[] {
  const matchers = selectors.map((selector) => ({
    matches: matcherOf(selector),
    isSpecific: selector.name !== undefined || selector.labels !== undefined,
  }));
  // A target that shares the network of its host is selected only by a selector that means it.
  const hostNamespaces = new Map(
    targets.filter(({ type, pid }) => type === 'proc' && pid === 1).map(({ node, netns }) => [node, netns]),
  );
  return targets.filter((target) => {
    const isOfHost = hostNamespaces.get(target.node) === target.netns;
    return matchers.some(({ matches, isSpecific }) => (isSpecific || !isOfHost) && matches(target));
  });
}
