import { namespaceMounts, type HoldingMount } from '../shared/linux/namespace-holders.js';
import type { ProcessTable } from './process-table.js';

/** A network namespace that bind mounts hold. */
export interface MountedNamespace {
  readonly netns: number;
  /** All places where it is mounted, by their mount namespaces; those of the first are named first. */
  readonly mounts: readonly HoldingMount['holder'][];
}

/** The network namespaces that are bind-mounted in any mount namespace. */
export function findMountedNamespaces(procRoot: string, table: ProcessTable): MountedNamespace[] {
  const found = new Map<number, HoldingMount['holder'][]>();
  for (const { netns, holder } of namespaceMounts(procRoot, table.values())) {
    const mounts = found.get(netns);
    if (mounts) mounts.push(holder);
    else found.set(netns, [holder]);
  }
  return [...found].map(([netns, mounts]) => ({ netns, mounts }));
}

/** The paths, each once, joined as clients know it. */
export function mountName({ mounts }: MountedNamespace): string {
  const paths = mounts.map(({ path }) => Buffer.from(path, 'latin1').toString('utf8'));
  return [...new Set(paths)].sort().join(':');
}
