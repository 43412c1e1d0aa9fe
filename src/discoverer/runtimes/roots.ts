import { dirname } from 'node:path';
import { readLink } from '../../shared/linux/proc.js';
import type { ProcessFacts, ProcessTable } from '../process-table.js';
import { HOST, isTrusted, sourceOf, type Claimant, type Claims } from './claims.js';
import { foreignRoot, type FileRoot } from './foreign-files.js';

/** A file system in which container runtimes have their sockets and bundles. */
export interface RuntimeRoot extends FileRoot {
  /** The process through which we see it; undefined: it is our own. */
  readonly pid?: number;
  readonly mountNamespace: string;
  /** Who controls what is in it. */
  readonly claimant: Claimant;
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
/** Any process can call itself so, and make mount namespaces. */
const MAX_ROOTS_PER_SOURCE = 8;
const MAX_ROOTS = 256;

export function isRuntime({ command }: ProcessFacts): boolean {
  return RUNTIME_COMMANDS.includes(command);
}

/**
 * Finds the file systems to search: our own; when we run in a container, the host's, through its first process, which
 * we see if we share the host's PID namespace; and those of runtimes with a mount namespace of their own, which mostly
 * run in a container. Those that can be trusted come first.
 */
export function findRuntimeRoots(procRoot: string, table: ProcessTable, claims: Claims): RuntimeRoot[] {
  const own = dirname(procRoot);
  const mountNamespace = readLink(`${procRoot}/self/ns/mnt`) ?? '';
  const trusted: RuntimeRoot[] = [
    {
      path: own === '/' ? '' : own,
      followsLinks: true,
      mountinfo: `${procRoot}/self/mountinfo`,
      mountNamespace,
      claimant: HOST,
    },
  ];
  const others: RuntimeRoot[] = [];
  const seen = new Set(['', mountNamespace]);
  const countBySource = new Map<string, number>();
  const first = table.get(1);
  for (const each of [...(first ? [first] : []), ...[...table.values()].filter(isRuntime)]) {
    if (seen.has(each.mountNamespace)) continue;
    const claimant = claims.claimant(each);
    const root: RuntimeRoot = {
      ...foreignRoot(procRoot, each.pid),
      pid: each.pid,
      mountNamespace: each.mountNamespace,
      claimant,
      followsLinks: each === first && isTrusted(claimant),
    };
    if (isTrusted(claimant)) {
      trusted.push(root);
    } else {
      const source = sourceOf(claimant);
      const count = countBySource.get(source) ?? 0;
      if (count >= MAX_ROOTS_PER_SOURCE || others.length >= MAX_ROOTS) continue;
      countBySource.set(source, count + 1);
      others.push(root);
    }
    seen.add(each.mountNamespace);
  }
  return [...trusted, ...others];
}
