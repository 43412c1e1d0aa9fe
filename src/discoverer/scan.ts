import type { NamespaceHolder } from '../shared/linux/namespace-holders.js';
import { readProcessTable } from './process-table.js';
import { ContainerMembership } from './runtimes/cgroup.js';
import type { Runtimes } from './runtimes/runtimes.js';
import {
  containerTargets,
  mountTargets,
  processTargets,
  type MountTarget,
  type ProcessTarget,
  type Target,
} from './targets.js';

/** Returns the names of the interfaces of a namespace that are up; undefined: the holder no longer holds it. */
export type InterfaceNames = (
  procRoot: string,
  netns: number,
  holder: NamespaceHolder,
) => readonly string[] | undefined;

export interface ScanOptions {
  readonly procRoot: string;
  readonly runtimes: Runtimes;
  readonly interfaceNames: InterfaceNames;
  /** Process id of our supervisor. */
  readonly supervisor: number;
}

export interface ScanResult {
  readonly targets: readonly Target[];
  /** Sentences for the operator about what could not be scanned. */
  readonly problems: readonly string[];
}

/** Scans the host once for capture targets. */
export async function scan(options: ScanOptions): Promise<ScanResult> {
  const { procRoot, runtimes, supervisor } = options;
  const table = readProcessTable(procRoot);
  const membership = new ContainerMembership(procRoot, table);
  const { containers, problems } = await runtimes.findContainers(procRoot, table, membership);
  const withProcess = [
    ...containerTargets(containers),
    ...processTargets(table, membership, containers, supervisor),
  ];
  const targets = [
    ...describeProcesses(withProcess, options),
    ...mountTargets(procRoot, table).flatMap((mounted) => describeMount(mounted, options)),
  ];
  return { targets, problems };
}

/** Encodes a result like GhostWire's `/mobyshark`: as JSON in UTF-8, in a buffer of its own. */
export function encodeResult({ targets, problems }: ScanResult): Uint8Array<ArrayBuffer> {
  // GhostWire's clients ignore unknown metadata.
  const metadata = problems.length > 0 ? { problems } : {};
  return new TextEncoder().encode(JSON.stringify({ metadata, containers: targets }));
}

/** Adds the interfaces. Targets may share a namespace: each namespace is visited once. */
function describeProcesses(
  targets: readonly ProcessTarget[],
  { procRoot, interfaceNames }: ScanOptions,
): Target[] {
  const known = new Map<number, readonly string[]>();
  return targets.flatMap(({ name, type, prefix, process: { netns, pid, startTime } }) => {
    const names = known.get(netns) ?? interfaceNames(procRoot, netns, { kind: 'process', pid });
    if (!names) return [];
    known.set(netns, names);
    return [{ name, type, netns, 'network-interfaces': names, pid, starttime: startTime, prefix }];
  });
}

function describeMount(
  { name, netns, mounts }: MountTarget,
  { procRoot, interfaceNames }: ScanOptions,
): Target[] {
  for (const mount of mounts) {
    const names = interfaceNames(procRoot, netns, mount);
    if (!names) continue;
    return [
      { name, type: 'bindmount', netns, 'network-interfaces': names, pid: 0, starttime: 0, prefix: '' },
    ];
  }
  return [];
}
