import { dirname } from 'node:path';
import type { ContainerMembership } from './container-membership.js';
import { readLink } from '../../shared/linux/proc.js';
import type { ProcessFacts, ProcessTable } from '../process-table.js';

/** A file system in which container engines have their sockets and bundles. */
export interface EngineRoot {
  /** In front of its absolute paths; empty: our own. */
  readonly path: string;
  /** The process through which we see it; undefined: it is our own. */
  readonly pid?: number;
  /** Id of the container whose file system it is; undefined: the host's, whose process ids are ours. */
  readonly outer?: string;
  /** A container may have laid symbolic links that lead to other places than its own. */
  readonly trusted: boolean;
}

/** Names of the processes that run containers. */
const ENGINES: readonly string[] = [
  'dockerd',
  'podman',
  'containerd',
  'crio',
  'k3s',
  'k3s-server',
  'k3s-agent',
];

export function isEngine({ command }: ProcessFacts): boolean {
  return ENGINES.includes(command);
}

/**
 * Our own file system; when we run in a container, the host's, through a process there (the first one, if we share
 * the host's process ids); and those of engines that run in a mount namespace of their own, in a container for
 * the most part.
 */
export function findEngineRoots(
  procRoot: string,
  table: ProcessTable,
  membership: ContainerMembership,
): EngineRoot[] {
  const own = dirname(procRoot); // where /proc is
  const roots: EngineRoot[] = [{ path: own === '/' ? '' : own, trusted: true }];
  const seen = new Set(['', readLink(`${procRoot}/self/ns/mnt`)]);
  const first = table.get(1);
  for (const each of [...(first ? [first] : []), ...[...table.values()].filter(isEngine)]) {
    if (seen.has(each.mountNamespace)) continue;
    seen.add(each.mountNamespace);
    const outer = membership.containerOf(each);
    const path = `${procRoot}/${each.pid}/root`;
    const trusted = each === first && outer === undefined;
    roots.push({ path, pid: each.pid, trusted, ...(outer !== undefined && { outer }) });
  }
  return roots;
}
