/** From what was found on the host to the targets of the list. */
import { namespaceMounts, type HoldingMount } from '../shared/linux/namespace-holders.js';
import type { ProcessFacts, ProcessTable } from './process-table.js';
import type { ContainerMembership, ContainerPath } from './runtimes/cgroup.js';
import {
  HOST,
  isTrusted,
  limitsOf,
  sourceOf,
  pathBefore,
  type Claimant,
  type Claims,
} from './runtimes/claims.js';
import type { Container, ContainerDetails } from './runtimes/container.js';
import type { SourceBudget } from './source-budget.js';

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
  /**
   * Who says that it exists, unless that is root: the name of the container that the runtime runs in, or `user@ID`. So no
   * container and no user can use the name of another target.
   */
  readonly prefix: string;
  /** Labels of the container, or of the pod; absent: none, or the runtime does not tell them. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly image?: string;
}

/** A target without its interfaces. */
interface FoundTarget extends Pick<Target, 'name' | 'type' | 'prefix' | 'netns'> {
  readonly details?: ContainerDetails;
  /** The container or user that determines what is in its namespace, see `sourceOf`. */
  readonly source: string;
}

/** A target that has a process. */
export interface ProcessTarget extends FoundTarget {
  readonly process: ProcessFacts;
}

/** Names those who claim something. */
export type Prefixes = (claimant: Claimant) => string;

/** @param containers the most trusted first */
export function prefixesOf(containers: readonly Container[], membership: ContainerMembership): Prefixes {
  const byPath = new Map<ContainerPath, Container>();
  for (const each of containers) {
    const path = membership.pathOf(each.process);
    // A container does not name itself.
    if (path === `${pathBefore(each.claimant)}/${each.id}` && !byPath.has(path)) byPath.set(path, each);
  }
  return (claimant) => {
    const components = pathBefore(claimant).split('/').slice(1);
    const names = components.map((component, index) => {
      const container = byPath.get(`/${components.slice(0, index + 1).join('/')}`);
      if (container) return container.pod?.name ?? container.name;
      // Runtimes abbreviate ids to this length.
      return component.startsWith('user@') ? component : component.slice(0, 12);
    });
    return names.join('/');
  };
}

/** One target per container, but a single one for all containers of a pod, which share a network namespace. */
export function containerTargets(
  containers: readonly Container[],
  claims: Claims,
  prefixes: Prefixes,
): ProcessTarget[] {
  const pods = new Map<string, Container[]>();
  const targets: ProcessTarget[] = [];
  const add = (
    name: string,
    type: string,
    { claimant, process }: Container,
    details: ContainerDetails,
  ): void => {
    const source = sourceOf(claims.claimant(process));
    targets.push({ name, type, prefix: prefixes(claimant), netns: process.netns, process, source, details });
  };
  for (const container of containers) {
    const { name, type, pod, process, claimant } = container;
    if (process.netns === 0) continue;
    if (!pod) {
      add(name, type, container, container);
      continue;
    }
    const key = [process.netns, claimant.user, claimant.path, pod.name].join(' ');
    pods.set(key, [...(pods.get(key) ?? []), container]);
  }
  for (const members of pods.values()) {
    const [first] = members.sort(bySandboxThenAge);
    // The pods of the host have no prefix, as in GhostWire's list: clients look them up by name alone.
    if (first?.pod) add(first.pod.name, 'pod', first, podDetails(first, members));
  }
  return targets;
}

/** The labels are those of the sandbox; the image is that of the oldest container that has another purpose. */
function podDetails({ labels }: Container, members: readonly Container[]): ContainerDetails {
  const image = members.find(({ pod }) => pod?.sandbox !== true)?.image;
  return { ...(labels && { labels }), ...(image && { image }) };
}

/** The sandbox lives as long as its pod, while the other containers may be restarted. */
function bySandboxThenAge(a: Container, b: Container): number {
  return Number(b.pod?.sandbox) - Number(a.pod?.sandbox) || a.process.startTime - b.process.startTime;
}

/** Beginning of the titles that all processes of this service but the supervisor and the server give themselves. */
const OWN_TITLE = 'packetflix: ';

/**
 * The topmost processes of each network namespace, whose parent is in another one, unless they belong to a container that
 * is a target in that namespace, or to an instance of this service: its filter compilers have empty namespaces, which are
 * no useful targets.
 *
 * @param supervisor process id of our supervisor
 */
export function processTargets(
  table: ProcessTable,
  membership: ContainerMembership,
  claims: Claims,
  containers: readonly Container[],
  supervisor: number,
): ProcessTarget[] {
  // Processes of one container may be in several network namespaces.
  const key = (process: ProcessFacts): string => `${process.netns}${membership.pathOf(process)}`;
  const listed = new Set(containers.map(({ process }) => key(process)));
  const roots = new Set(containers.map(({ process }) => process.pid));
  const targets: ProcessTarget[] = [];
  for (const each of table.values()) {
    const parent = table.get(each.parent);
    if (each.netns === 0 || parent?.netns === each.netns || roots.has(each.pid)) continue;
    if (isOurs(each, parent, supervisor)) continue;
    if (membership.pathOf(each) !== '' && listed.has(key(each))) continue;
    const source = sourceOf(claims.claimant(each));
    const { netns, pid, command } = each;
    targets.push({ name: `${command}(${pid})`, type: 'proc', prefix: '', netns, process: each, source });
  }
  return targets;
}

/** A filter compiler has its title a moment after its start, when it is in its namespace already. */
function isOurs(process: ProcessFacts, parent: ProcessFacts | undefined, supervisor: number): boolean {
  if ([process, parent].some((each) => each?.command.startsWith(OWN_TITLE))) return true;
  return process.pid === supervisor || parent?.parent === supervisor;
}

/** A network namespace that no process is in, and that bind mounts keep alive. */
export interface MountTarget extends FoundTarget {
  /** Where it is mounted. Some mounts may be hidden by others, so that the namespace cannot be opened there. */
  readonly mounts: readonly HoldingMount['holder'][];
}

const MAX_MOUNTS = 64;

/**
 * The network namespaces that are bind-mounted in some mount namespace and have no process. The name is made of the paths in
 * the mount namespaces of the host, if it is mounted there: a container or a user can mount a namespace at any path of its
 * own.
 */
export function mountTargets(
  procRoot: string,
  table: ProcessTable,
  claims: Claims,
  prefixes: Prefixes,
  budget: SourceBudget,
): MountTarget[] {
  const mounts = new Map<number, { claimant: Claimant; holders: HoldingMount['holder'][] }>();
  const inUse = new Set([...table.values()].map(({ netns }) => netns));
  const countBySource = new Map<string, number>();
  for (const { netns, holder } of namespaceMounts(procRoot, withinBudget(table, claims, budget))) {
    if (inUse.has(netns)) continue;
    const process = table.get(holder.pid);
    const claimant = process ? claims.claimant(process) : HOST;
    const known = mounts.get(netns);
    if (!known || (isTrusted(claimant) && !isTrusted(known.claimant))) {
      const count = (countBySource.get(sourceOf(claimant)) ?? 0) + 1;
      if (count > limitsOf(claimant).containers) continue;
      countBySource.set(sourceOf(claimant), count);
      mounts.set(netns, { claimant, holders: [holder] });
    } else if (sourceOf(claimant) === sourceOf(known.claimant) && known.holders.length < MAX_MOUNTS) {
      known.holders.push(holder);
    }
  }
  return [...mounts].flatMap(([netns, { claimant, holders }]) => {
    const name = joinPaths(holders, limitsOf(claimant).nameBytes);
    const facts = { type: 'bindmount', prefix: prefixes(claimant), source: sourceOf(claimant) };
    return name === '' ? [] : [{ ...facts, name, netns, mounts: holders }];
  });
}

/** The processes of those sources that have time left: their mounts are read until the next process is asked for. */
function* withinBudget(table: ProcessTable, claims: Claims, budget: SourceBudget): Generator<ProcessFacts> {
  const ofHost = table.get(1)?.mountNamespace;
  for (const process of table.values()) {
    const source = process.mountNamespace === ofHost ? '' : sourceOf(claims.claimant(process));
    if (!budget.hasTime(source)) continue;
    const beginMs = performance.now();
    yield process;
    budget.count(source, beginMs);
  }
}

/** As many of the paths as a name may be long. */
function joinPaths(mounts: readonly HoldingMount['holder'][], maxBytes: number): string {
  const paths = mounts.map(({ path }) => Buffer.from(path, 'latin1').toString('utf8'));
  let name = '';
  for (const path of [...new Set(paths)].sort()) {
    const longer = name === '' ? path : `${name}:${path}`;
    if (Buffer.byteLength(longer) <= maxBytes) name = longer;
  }
  return name;
}
