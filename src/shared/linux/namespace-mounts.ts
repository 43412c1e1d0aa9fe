import type { NamespaceHolder } from './holder.js';
import { parseNamespaceMounts, readText } from './proc.js';

/** A bind mount that holds a network namespace. */
export interface HoldingMount {
  readonly netns: number;
  readonly holder: Extract<NamespaceHolder, { kind: 'mount' }>;
}

/** A process, and what its link `ns/mnt` says: nothing when that is closed to us. */
export interface ProcessWithMounts {
  readonly pid: number;
  readonly mountNamespace: string | undefined;
}

/** The bind mounts of network namespaces in the mount namespaces of some processes, each looked at once. */
export function* namespaceMounts(
  procRoot: string,
  processes: Iterable<ProcessWithMounts>,
): Generator<HoldingMount> {
  const seen = new Set<string>();
  for (const { pid, mountNamespace } of processes) {
    if (!mountNamespace || seen.has(mountNamespace)) continue;
    // latin1 keeps every byte of a path as it is, whatever its encoding; see `pathBytes` in open-namespace.ts.
    const mountinfo = readText(`${procRoot}/${pid}/mountinfo`);
    if (mountinfo === undefined) continue; // another process of the same mount namespace may do
    seen.add(mountNamespace);
    for (const { netns, path } of parseNamespaceMounts(mountinfo)) {
      yield { netns, holder: { kind: 'mount', pid, path } };
    }
  }
}
