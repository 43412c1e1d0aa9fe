import type { ContainerMembership } from './runtimes/container-membership.js';
import type { Container } from './runtimes/container.js';
import { oldest, type ProcessFacts, type ProcessTable } from './process-table.js';

/**
 * The topmost process of each network namespace: one whose parent is elsewhere, of several the oldest. Where that
 * belongs to a container of the same namespace, the container stands for it.
 *
 * @param supervisor process id of our own: its children's children, the filter compilers, have empty network
 *   namespaces just for themselves, where nobody wants to capture
 */
export function topmostProcesses(
  table: ProcessTable,
  membership: ContainerMembership,
  containers: readonly Container[],
  supervisor: number,
): ProcessFacts[] {
  const tops = new Map<number, ProcessFacts[]>();
  for (const each of table.values()) {
    const parent = table.get(each.parent);
    if (each.netns === 0 || parent?.netns === each.netns) continue;
    if (parent?.parent === supervisor && each.netns !== table.get(supervisor)?.netns) continue;
    const known = tops.get(each.netns);
    if (known) known.push(each);
    else tops.set(each.netns, [each]);
  }
  const places = new Set(containers.map(({ id, process }) => place(process.netns, id)));
  const roots = new Set(containers.map(({ process }) => process.pid));
  return [...tops.values()].flatMap((processes) => {
    const top = oldest(processes);
    if (!top || roots.has(top.pid)) return [];
    return places.has(place(top.netns, membership.containerOf(top))) ? [] : [top];
  });
}

/** A container in a network namespace: its processes may have others. */
function place(netns: number, id: string | undefined): string {
  return `${netns}/${id}`;
}
