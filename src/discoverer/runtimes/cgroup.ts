/** A container as the name of its control group tells it. */
export interface CgroupContainer {
  /** Unique on this host: the engine's id of 64 hexadecimal digits, or type and name. */
  readonly id: string;
  /** For those whose control group tells all that there is to know. */
  readonly named?: { readonly type: string; readonly name: string };
}

/**
 * How container engines name control groups: with the cgroupfs driver by the bare id, with systemd's as
 * `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID.scope`, `libpod-ID.scope`.
 */
const ENGINE_ID = /^(?:[\w.-]*-)?([0-9a-f]{64})(?:\.scope)?$/;
/** containerd's own cgroupfs names have colons: `system.slice:cri-containerd:ID`. */
const BEFORE_COLONS = /^.*:/;
/** conmon(8) watches a container from outside. */
const WATCHER = /conmon/;
const LXC = /^lxc\.payload\.(.+)$/;
const NSPAWN = /^systemd-nspawn@(.+)\.service$/;

/**
 * The innermost container that a process belongs to.
 *
 * @param cgroup content of /proc/PID/cgroup, see cgroups(7)
 */
export function parseCgroup(cgroup: string): CgroupContainer | undefined {
  for (const line of cgroup.split('\n')) {
    // ID:CONTROLLERS:PATH, and the path may have colons.
    const path = line.split(':').slice(2).join(':');
    const found = innermost(path.split('/'));
    if (found) return found;
  }
  return undefined;
}

function innermost(components: readonly string[]): CgroupContainer | undefined {
  for (let i = components.length - 1; i > 0; i--) {
    const component = (components[i] ?? '').replace(BEFORE_COLONS, '');
    const id = ENGINE_ID.exec(component)?.[1];
    if (id && !WATCHER.test(component)) return { id };
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

/** As systemd.unit(5) has it: `\x2d` for a hyphen. */
function unescapeUnitName(name: string): string {
  return name.replace(/\\x([0-9a-f]{2})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)));
}
