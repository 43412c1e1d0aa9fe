import type { ListedSelectableTarget } from '../../shared/protocol/target-selector.js';

/** A target as the service lists it, see "Targets" in docs/api.md. */
export interface Target extends ListedSelectableTarget {
  readonly starttime: number;
  readonly interfaces: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** The project of Docker Compose. */
  readonly project: string;
  readonly image: string;
}

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
