import type { NamespaceHolder } from '../shared/linux/namespace-holders.js';
import { ContainerMembership } from './runtimes/container-membership.js';
import { containerTargets, type TargetFacts } from './container-targets.js';
import { findContainers } from './runtimes/containers.js';
import type { Engines } from './runtimes/runtimes.js';
import { findMountedNamespaces, mountName, type MountedNamespace } from './mounted-namespaces.js';
import { readProcessTable, type ProcessTable } from './process-table.js';
import { topmostProcesses } from './process-targets.js';
import type { Findings, Target } from './target.js';

/** Names of the interfaces of a namespace that are up; undefined: it has gone. */
export type InterfaceNames = (
  procRoot: string,
  netns: number,
  holder: NamespaceHolder,
) => readonly string[] | undefined;

export interface ScanOptions {
  readonly procRoot: string;
  readonly engines: Engines;
  readonly interfaceNames: InterfaceNames;
  /** Process id of our supervisor. */
  readonly supervisor: number;
}

/** Looks around once: what is there to capture from. */
export async function scan(options: ScanOptions): Promise<Findings> {
  const { procRoot, engines, supervisor } = options;
  const table = readProcessTable(procRoot);
  const membership = new ContainerMembership(procRoot, table);
  const { containers, problems } = await findContainers(procRoot, table, membership, engines);
  const processes = topmostProcesses(table, membership, containers, supervisor).map(
    (process): TargetFacts => ({
      name: `${process.command}(${process.pid})`,
      type: 'proc',
      prefix: '',
      process,
    }),
  );
  const withProcess = [...containerTargets(containers), ...processes];
  return {
    targets: [
      ...describeProcesses(withProcess, options),
      ...findMountedNamespaces(procRoot, table).flatMap((mounted) => describeMount(mounted, table, options)),
    ],
    problems,
  };
}

/** Many targets may share a namespace: each is visited once. */
function describeProcesses(
  facts: readonly TargetFacts[],
  { procRoot, interfaceNames }: ScanOptions,
): Target[] {
  const known = new Map<number, readonly string[]>();
  return facts.flatMap(({ name, type, prefix, process: { netns, pid, startTime } }) => {
    const names = known.get(netns) ?? interfaceNames(procRoot, netns, { kind: 'process', pid });
    if (!names) return [];
    known.set(netns, names);
    return [{ name, type, netns, 'network-interfaces': names, pid, starttime: startTime, prefix }];
  });
}

/** Only what no process is in: of all others, their processes are the targets. */
function describeMount(
  mounted: MountedNamespace,
  table: ProcessTable,
  { procRoot, interfaceNames }: ScanOptions,
): Target[] {
  for (const { netns } of table.values()) if (netns === mounted.netns) return [];
  for (const mount of mounted.mounts) {
    const names = interfaceNames(procRoot, mounted.netns, mount);
    // A mount may be hidden by another one.
    if (!names) continue;
    const name = mountName(mounted);
    return [
      {
        name,
        type: 'bindmount',
        netns: mounted.netns,
        'network-interfaces': names,
        pid: 0,
        starttime: 0,
        prefix: '',
      },
    ];
  }
  return [];
}
