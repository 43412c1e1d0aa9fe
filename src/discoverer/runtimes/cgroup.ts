/** Source of containers: the control groups of processes. */
import { readText } from '../../shared/linux/proc.js';
import { oldest, type ProcessFacts, type ProcessTable } from '../process-table.js';
import type { Container } from './container.js';

/** The container that the name of a control group stands for. */
export interface CgroupContainer {
  /** Unique on this host: the runtime's id of 64 hexadecimal digits, or `type:name`. */
  readonly id: string;
  /** Only for containers whose control group contains their name. */
  readonly named?: { readonly type: string; readonly name: string };
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

/**
 * Finds the innermost container that a process belongs to.
 *
 * @param cgroup content of /proc/PID/cgroup, see cgroups(7)
 */
export function parseCgroup(cgroup: string): CgroupContainer | undefined {
  for (const line of cgroup.split('\n')) {
    // ID:CONTROLLERS:PATH, where the path may contain colons.
    const path = line.split(':').slice(2).join(':');
    const found = innermost(path.split('/'));
    if (found) return found;
  }
  return undefined;
}

function innermost(components: readonly string[]): CgroupContainer | undefined {
  for (let i = components.length - 1; i > 0; i--) {
    const component = (components[i] ?? '').replace(BEFORE_COLONS, '');
    const id = RUNTIME_ID.exec(component)?.[1];
    if (id && !MONITOR.test(component)) return { id };
    const lxc = LXC.exec(component)?.[1] ?? (components[i - 1] === 'lxc' ? component : undefined);
    if (lxc) return named('lxc', lxc);
    const machine = NSPAWN.exec(component)?.[1];
    if (machine) return named('nspawn', unescapeUnitName(machine));
  }
  return undefined;
}

function named(type: string, name: string): CgroupContainer {
  return { id: `${type}:${name}`, named: { type, name } };
}

/** systemd.unit(5) escapes bytes in names as `\xXX`, for example a hyphen as `\x2d`. */
function unescapeUnitName(name: string): string {
  return name.replace(/\\x([0-9a-f]{2})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)));
}

/**
 * Which processes belong to which container, according to their control groups. Those are read only for processes
 * that may be the first of a container: whose mount or network namespace is not that of their parent.
 */
export class ContainerMembership {
  private readonly firsts = new Map<number, CgroupContainer | undefined>();
  private readonly members = new Map<string, ProcessFacts[]>();
  private readonly named = new Map<string, CgroupContainer>();

  constructor(
    procRoot: string,
    private readonly table: ProcessTable,
  ) {
    for (const each of table.values()) {
      const parent = table.get(each.parent);
      if (parent && parent.mountNamespace === each.mountNamespace && parent.netns === each.netns) continue;
      const container = parseCgroup(readText(`${procRoot}/${each.pid}/cgroup`) ?? '');
      this.firsts.set(each.pid, container);
      if (container) this.add(container, each);
    }
  }

  /** Id of the innermost container that a process is in. */
  containerOf(member: ProcessFacts): string | undefined {
    let current: ProcessFacts | undefined = member;
    // The table is not a snapshot: where a process id was reused meanwhile, the parents may form a loop.
    for (let steps = 0; current && steps < this.table.size; steps++) {
      if (this.firsts.has(current.pid)) return this.firsts.get(current.pid)?.id;
      current = this.table.get(current.parent);
    }
    return undefined;
  }

  /** The process that a container was started with: processes that were added later are younger. */
  rootProcess(id: string): ProcessFacts | undefined {
    return oldest(this.members.get(id) ?? []);
  }

  /** The containers that have names in their control groups: those of LXC and systemd-nspawn. */
  namedContainers(): Container[] {
    return [...this.named.values()].flatMap(({ id, named }) => {
      const process = this.rootProcess(id);
      return named && process ? [{ id, ...named, process }] : [];
    });
  }

  private add(container: CgroupContainer, member: ProcessFacts): void {
    const members = this.members.get(container.id);
    if (members) members.push(member);
    else this.members.set(container.id, [member]);
    if (container.named) this.named.set(container.id, container);
  }
}
