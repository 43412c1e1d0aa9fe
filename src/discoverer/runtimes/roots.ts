import { dirname } from 'node:path';
import { readLink } from '../../shared/linux/proc.js';
import type { ProcessFacts, ProcessTable } from '../process-table.js';
import type { ContainerMembership } from './cgroup.js';

/** A file system in which container runtimes have their sockets and bundles. */
export interface RuntimeRoot {
  /** Path of its root directory, to be put before absolute paths in it; empty: our own. */
  readonly path: string;
  /** The process through which we see it; undefined: it is our own. */
  readonly pid?: number;
  /** Id of the container whose file system it is; undefined: the host's, whose process ids are ours. */
  readonly outer?: string;
  /** Whether symbolic links in it can be followed. A container may have made links that lead out of it. */
  readonly trusted: boolean;
}

/** `comm` of the processes of container runtimes. */
const RUNTIME_COMMANDS: readonly string[] = [
  'dockerd',
  'podman',
  'containerd',
  'crio',
  'k3s',
  'k3s-server',
  'k3s-agent',
];

export function isRuntime({ command }: ProcessFacts): boolean {
  return RUNTIME_COMMANDS.includes(command);
}

/**
 * Finds the file systems to search: our own; when we run in a container, the host's, through its first process, which
 * we see if we share the host's PID namespace; and those of runtimes with a mount namespace of their own, which mostly
 * run in a container.
 */
export function findRuntimeRoots(
  procRoot: string,
  table: ProcessTable,
  membership: ContainerMembership,
): RuntimeRoot[] {
  const own = dirname(procRoot);
  const roots: RuntimeRoot[] = [{ path: own === '/' ? '' : own, trusted: true }];
  const seen = new Set(['', readLink(`${procRoot}/self/ns/mnt`)]);
  const first = table.get(1);
  for (const each of [...(first ? [first] : []), ...[...table.values()].filter(isRuntime)]) {
    if (seen.has(each.mountNamespace)) continue;
    seen.add(each.mountNamespace);
    const outer = membership.containerOf(each);
    const path = `${procRoot}/${each.pid}/root`;
    const trusted = each === first && outer === undefined;
    roots.push({ path, pid: each.pid, trusted, ...(outer !== undefined && { outer }) });
  }
  return roots;
}
