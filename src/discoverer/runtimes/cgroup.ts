/** Source of containers: the control groups of processes. */
import { readText } from '../../shared/linux/proc.js';
import { oldest, type ProcessFacts, type ProcessTable } from '../process-table.js';
import { untrustedAmong, userName } from './claims.js';

/** The container that the name of a control group stands for. */
export interface CgroupContainer {
  /** The runtime's id of 64 hexadecimal digits, or `type:name`. */
  readonly id: string;
  /** Only for containers whose control group contains their name. */
  readonly named?: { readonly type: string; readonly name: string };
}

/** What the control group of a process says about it. */
export interface CgroupPlace {
  /** The containers that the process is in, the outermost first. */
  readonly containers: readonly CgroupContainer[];
  /** The user who may give the control group any name, because systemd delegates it to that user; absent: root. */
  readonly user?: number;
}

/**
 * Names that container runtimes give to control groups: the bare id with the cgroupfs driver; `docker-ID.scope`,
 * `cri-containerd-ID.scope`, `crio-ID.scope` or `libpod-ID.scope` with the systemd driver.
 */
const RUNTIME_ID = /^(?:[\w.-]*-)?([0-9a-f]{64})(?:\.scope)?$/;
/** containerd's own cgroupfs names have colons: `system.slice:cri-containerd:ID`. */
const BEFORE_COLONS = /^.*:/;
/** The control group of conmon(8), which monitors a container from outside. */
const MONITOR = /conmon/;
const LXC = /^lxc\.payload\.(.+)$/;
const NSPAWN = /^systemd-nspawn@(.+)\.service$/;
/** The slice of systemd for the sessions and services of a user. */
const USER_SLICE = /^user-(\d+)\.slice$/;

const NOWHERE: CgroupPlace = { containers: [] };

/** @param cgroup content of /proc/PID/cgroup, see cgroups(7) */
export function parseCgroup(cgroup: string): CgroupPlace {
  for (const line of cgroup.split('\n')) {
    // ID:CONTROLLERS:PATH, where the path may contain colons.
    const place = parsePath(line.split(':').slice(2).join(':').split('/'));
    if (place.containers.length > 0) return place;
  }
  return NOWHERE;
}

function parsePath(components: readonly string[]): CgroupPlace {
  const containers: CgroupContainer[] = [];
  let user: number | undefined;
  components.forEach((component, index) => {
    const container = parseComponent(component, components[index - 1]);
    if (container) containers.push(container);
    const slice = USER_SLICE.exec(component)?.[1];
    // Below its own control group, a user or a container may use any name.
    if (slice !== undefined && user === undefined && containers.length === 0) user = Number(slice);
  });
  return { containers, ...(user && { user }) };
}

function parseComponent(component: string, parent: string | undefined): CgroupContainer | undefined {
  if (parent === undefined) return undefined;
  const name = component.replace(BEFORE_COLONS, '');
  const id = RUNTIME_ID.exec(name)?.[1];
  if (id) return MONITOR.test(name) ? undefined : { id };
  const lxc = LXC.exec(name)?.[1] ?? (parent === 'lxc' ? name : undefined);
  if (lxc) return named('lxc', lxc);
  const machine = NSPAWN.exec(name)?.[1];
  return machine ? named('nspawn', unescapeUnitName(machine)) : undefined;
}

function named(type: string, name: string): CgroupContainer {
  return { id: `${type}:${name}`, named: { type, name } };
}

/** systemd.unit(5) escapes bytes in names as `\xXX`, for example a hyphen as `\x2d`. */
function unescapeUnitName(name: string): string {
  return name.replace(/\\x([0-9a-f]{2})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)));
}

/**
 * The containers of a process in one text: their ids, the outermost first, each after a slash; before them `/user@ID` if that
 * user may have made up their names. Empty: it is in none. The id alone would not do: a container or a user that may make
 * control groups can name one after another container.
 */
export type ContainerPath = string;

/** A container that has its name in its control group, and the user who may have made it up. */
export interface NamedContainer extends CgroupContainer {
  readonly process: ProcessFacts;
  /** What it is in. */
  readonly outer: ContainerPath;
}

/**
 * Which processes belong to which container, according to their control groups and their parents. Control groups are read
 * only for processes that may be the first of a container: whose mount or network namespace is not that of their parent.
 */
export class ContainerMembership {
  private readonly places = new Map<number, CgroupPlace>();
  private readonly members = new Map<ContainerPath, ProcessFacts[]>();
  /** The containers that the whole host is in, as far as we see. */
  private readonly base: CgroupPlace;

  constructor(
    private readonly procRoot: string,
    private readonly table: ProcessTable,
  ) {
    const first = table.get(1);
    this.base = first ? this.readPlace(first) : NOWHERE;
    for (const each of table.values()) {
      if (!this.mayBeFirst(each)) continue;
      const path = this.pathOf(each);
      if (path === '') continue;
      const members = this.members.get(path);
      if (members) members.push(each);
      else this.members.set(path, [each]);
    }
  }

  /** The containers that a process is in. */
  pathOf(member: ProcessFacts): ContainerPath {
    const { containers, user } = this.placeOf(member);
    if (containers.length === 0) return '';
    const trusted = untrustedAmong(user).user === undefined;
    return [...(trusted ? [] : [userName(user ?? 0)]), ...containers.map(({ id }) => id)]
      .map((component) => `/${component}`)
      .join('');
  }

  /** The processes that may have been the first of a container. */
  membersOf(path: ContainerPath): readonly ProcessFacts[] {
    return this.members.get(path) ?? [];
  }

  /** The containers that have names in their control groups: those of LXC and systemd-nspawn. */
  namedContainers(): NamedContainer[] {
    return [...this.members].flatMap(([path, members]) => {
      const process = oldest(members);
      if (!process) return [];
      const last = this.placeOf(process).containers.at(-1);
      return last?.named ? [{ ...last, process, outer: path.slice(0, path.lastIndexOf('/')) }] : [];
    });
  }

  private placeOf(member: ProcessFacts): CgroupPlace {
    // Not recursive: a process may have thousands of ancestors. The table is not a snapshot: where a process id was reused
    // meanwhile, the parents may form a loop.
    const unknown = new Set<ProcessFacts>();
    let current: ProcessFacts | undefined = member;
    while (current && !this.places.has(current.pid) && !unknown.has(current)) {
      unknown.add(current);
      current = this.table.get(current.parent);
    }
    let place = (current && this.places.get(current.pid)) ?? NOWHERE;
    for (const each of [...unknown].reverse()) {
      if (this.mayBeFirst(each)) place = this.within(place, this.readPlace(each));
      this.places.set(each.pid, place);
    }
    return place;
  }

  private mayBeFirst({ parent, mountNamespace, netns }: ProcessFacts): boolean {
    const found = this.table.get(parent);
    return found?.mountNamespace !== mountNamespace || found.netns !== netns;
  }

  /**
   * The place of a process whose parent is in `outer`. A process stays in the containers of its parent, whatever its control
   * group: that of a container in a container may be anywhere.
   */
  private within(outer: CgroupPlace, own: CgroupPlace): CgroupPlace {
    const above = outer.containers.map(({ id }) => id);
    const containers = without(this.base, own);
    if (above.length === 0) return { ...own, containers };
    const isWithin = above.every((id, index) => containers[index]?.id === id);
    const others = containers.filter(({ id }) => !above.includes(id));
    return { ...outer, containers: isWithin ? containers : [...outer.containers, ...others] };
  }

  private readPlace({ pid }: ProcessFacts): CgroupPlace {
    return parseCgroup(readText(`${this.procRoot}/${pid}/cgroup`) ?? '');
  }
}

function without(base: CgroupPlace, { containers }: CgroupPlace): readonly CgroupContainer[] {
  const isBelow = base.containers.every(({ id }, index) => containers[index]?.id === id);
  return isBelow ? containers.slice(base.containers.length) : containers;
}
