/** From what was found on the host to the targets of the list. */
import { namespaceMounts, type HoldingMount } from '../shared/linux/namespace-holders.js';
import { oldest, type ProcessFacts, type ProcessTable } from './process-table.js';
import type { ContainerMembership } from './runtimes/cgroup.js';
import type { Container } from './runtimes/container.js';

/** A capture target, with the attributes of GhostWire's `/mobyshark`. */
export interface Target {
  /** Container name, `namespace/name` of a pod, `comm(pid)` of a process, or paths of bind mounts joined by `:`. */
  readonly name: string;
  /** `docker`, `podman`, `cri-o`, `containerd`, `lxc`, `nspawn`, `pod`, `proc` or `bindmount`. */
  readonly type: string;
  /** Inode number of the network namespace. */
  readonly netns: number;
  /** The interfaces that are up. */
  readonly 'network-interfaces': readonly string[];
  /** Root process; 0: none. */
  readonly pid: number;
  /** Start time of that process in clock ticks, field 22 of proc_pid_stat(5); 0: there is no process. */
  readonly starttime: number;
  /** For a container whose runtime runs in a container itself: the name of the outer container. */
  readonly prefix: string;
}

/** A target that has a process, without its interfaces. */
export interface ProcessTarget extends Pick<Target, 'name' | 'type' | 'prefix'> {
  readonly process: ProcessFacts;
}

/** One target per container, but a single one for all containers of a pod, which share a network namespace. */
export function containerTargets(containers: readonly Container[]): ProcessTarget[] {
  const byId = new Map(containers.map((container) => [container.id, container]));
  const pods = new Map<string, Container[]>();
  const targets: ProcessTarget[] = [];
  for (const container of containers) {
    const { name, type, pod, process } = container;
    if (process.netns === 0) continue;
    if (!pod) {
      targets.push({ name, type, prefix: prefixOf(container, byId), process });
      continue;
    }
    const key = `${process.netns} ${pod.name}`;
    pods.set(key, [...(pods.get(key) ?? []), container]);
  }
  for (const members of pods.values()) {
    const [first] = members.sort(bySandboxThenAge);
    // Pods have no prefix, as in GhostWire's list: clients look them up by name alone.
    if (first?.pod) targets.push({ name: first.pod.name, type: 'pod', prefix: '', process: first.process });
  }
  return targets;
}

/** The sandbox lives as long as its pod, while the other containers may be restarted. */
function bySandboxThenAge(a: Container, b: Container): number {
  return Number(b.pod?.sandbox) - Number(a.pod?.sandbox) || a.process.startTime - b.process.startTime;
}

/** Names of the containers that contain this one, the outermost first. */
function prefixOf({ outer }: Container, byId: ReadonlyMap<string, Container>, depth = 0): string {
  if (outer === undefined || depth > byId.size) return '';
  const container = byId.get(outer);
  if (!container) return outer.slice(0, 12); // runtimes abbreviate ids to this length
  const name = container.pod?.name ?? container.name;
  return [prefixOf(container, byId, depth + 1), name].filter((part) => part !== '').join('/');
}

/**
 * The topmost process of each network namespace, unless it belongs to a container that is a target in that namespace.
 * Topmost is a process whose parent is in another network namespace; if there are several, the oldest one.
 *
 * @param supervisor process id of our supervisor. The children of its children, the filter compilers, each have an
 *   empty network namespace, which is no useful target.
 */
export function processTargets(
  table: ProcessTable,
  membership: ContainerMembership,
  containers: readonly Container[],
  supervisor: number,
): ProcessTarget[] {
  const tops = new Map<number, ProcessFacts[]>();
  for (const each of table.values()) {
    const parent = table.get(each.parent);
    if (each.netns === 0 || parent?.netns === each.netns) continue;
    if (parent?.parent === supervisor && each.netns !== table.get(supervisor)?.netns) continue;
    const known = tops.get(each.netns);
    if (known) known.push(each);
    else tops.set(each.netns, [each]);
  }
  // Processes of one container may be in several network namespaces.
  const key = (netns: number, id: string | undefined): string => `${netns}/${id}`;
  const listed = new Set(containers.map(({ id, process }) => key(process.netns, id)));
  const roots = new Set(containers.map(({ process }) => process.pid));
  return [...tops.values()].flatMap((processes) => {
    const top = oldest(processes);
    if (!top || roots.has(top.pid) || listed.has(key(top.netns, membership.containerOf(top)))) return [];
    return [{ name: `${top.command}(${top.pid})`, type: 'proc', prefix: '', process: top }];
  });
}

/** A network namespace that no process is in, and that bind mounts keep alive. */
export interface MountTarget {
  /** Paths of all its mounts, joined by `:`. */
  readonly name: string;
  readonly netns: number;
  /** Where it is mounted. Some mounts may be hidden by others, so that the namespace cannot be opened there. */
  readonly mounts: readonly HoldingMount['holder'][];
}

/** The network namespaces that are bind-mounted in some mount namespace and have no process. */
export function mountTargets(procRoot: string, table: ProcessTable): MountTarget[] {
  const mounts = new Map<number, HoldingMount['holder'][]>();
  for (const { netns, holder } of namespaceMounts(procRoot, table.values())) {
    const known = mounts.get(netns);
    if (known) known.push(holder);
    else mounts.set(netns, [holder]);
  }
  for (const { netns } of table.values()) mounts.delete(netns);
  return [...mounts].map(([netns, holders]) => {
    const paths = holders.map(({ path }) => Buffer.from(path, 'latin1').toString('utf8'));
    return { name: [...new Set(paths)].sort().join(':'), netns, mounts: holders };
  });
}
