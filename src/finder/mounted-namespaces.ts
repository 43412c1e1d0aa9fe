import type { NamespaceHolder } from '../engine/namespaces/holder.js';
import { parseNamespaceMounts } from '../engine/namespaces/proc.js';
import { readText, type ProcessTable } from './process-table.js';

/** A network namespace that bind mounts hold. */
export interface MountedNamespace {
  readonly netns: number;
  /** All places where it is mounted, by their mount namespaces; those of the first are named first. */
  readonly mounts: readonly Extract<NamespaceHolder, { kind: 'mount' }>[];
}

/** The network namespaces that are bind-mounted in any mount namespace. */
export function findMountedNamespaces(procRoot: string, table: ProcessTable): MountedNamespace[] {
  const found = new Map<number, MountedNamespace & { mounts: MountedNamespace['mounts'][number][] }>();
  const seen = new Set<string>();
  for (const { pid, mountNamespace } of table.values()) {
    if (mountNamespace === '' || seen.has(mountNamespace)) continue;
    // latin1 keeps every byte of a path as it is, whatever its encoding.
    const mountinfo = readText(`${procRoot}/${pid}/mountinfo`);
    if (mountinfo === undefined) continue; // another process of the same mount namespace may do
    seen.add(mountNamespace);
    for (const { netns, path } of parseNamespaceMounts(mountinfo)) {
      const entry = found.get(netns) ?? { netns, mounts: [] };
      found.set(netns, entry);
      entry.mounts.push({ kind: 'mount', pid, path });
    }
  }
  return [...found.values()];
}

/** The paths, each once, joined as clients know it. */
export function mountName({ mounts }: MountedNamespace): string {
  const paths = mounts.map(({ path }) => Buffer.from(path, 'latin1').toString('utf8'));
  return [...new Set(paths)].sort().join(':');
}
