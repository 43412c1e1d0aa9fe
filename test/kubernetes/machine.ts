import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../kit/child.js';
import { eventually } from '../kit/eventually.js';
import { processTree } from '../kit/processes.js';
import { run } from '../kit/run.js';

/** The network of the machines. This host has the first address, and reaches all machines and pods. */
export const NETWORK = '10.231.0';
const BRIDGE = 'pfk8s';
/** Shown by ps(1); leftovers of killed runs are found by it. */
const TITLE = 'packetflix-test-machine';
const CGROUPS = '/sys/fs/cgroup';
/** Machines end when the process that started them does. This is for a test run that hangs. */
const TIME_LIMIT_S = '1800';

/**
 * PID 1 of a machine. It reaps orphans, which bash does while it waits. With a /run of its own, programs of several machines
 * can have their sockets where they have them everywhere, and none sees those of this host. The copies of mounts that
 * `ip netns` made would keep namespaces of other tests alive.
 */
const INIT = `
  grep ' - nsfs ' /proc/self/mountinfo | cut --delimiter ' ' --fields 5 | xargs --no-run-if-empty umount --lazy
  mount -t tmpfs tmpfs /run && mount --make-rshared / && ip link set lo up && sysctl -qw net.ipv4.ip_forward=1 && echo ready
  while :; do sleep 3600 & wait; done`;

/**
 * A machine of the cluster: a group of processes with network, mounts and process IDs of its own, as on a host of its own.
 * When its PID 1 ends, the kernel kills all others and removes all mounts, containers of the machine included.
 */
export class Machine implements AsyncDisposable {
  private readonly programs = new Map<string, Child>();

  private constructor(
    readonly name: string,
    readonly address: string,
    /** For its logs and data. */
    readonly folder: string,
    private readonly child: Child,
    private readonly pid: number,
  ) {}

  static async start(name: string, host: number, folder: string): Promise<Machine> {
    mkdirSync(folder, { recursive: true });
    // Even if this process is killed by SIGKILL, each program of this chain ends with the one that started it.
    const tied = ['setpriv', '--pdeathsig', 'KILL'];
    const limited = [...tied, 'timeout', '--signal=KILL', TIME_LIMIT_S, ...tied];
    const isolated = ['unshare', '--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const init = ['bash', '-c', INIT, `${TITLE}-${name}`];
    const child = await Child.start('env', [...limited, ...isolated, ...init]);
    await child.saying(/ready/);
    const first = processTree(child.pid).find(({ command }) => command.startsWith('bash -c'));
    if (!first) throw new Error(`the machine ${name} has no PID 1:\n${child.stderr}`);
    const machine = new Machine(name, `${NETWORK}.${host}`, folder, child, first.pid);
    await machine.connect();
    return machine;
  }

  /** A control group of the machine, for its containers, in each hierarchy. */
  get cgroup(): string {
    return `/${BRIDGE}-${this.name}`;
  }

  /** Runs a command in the machine and returns its standard output. */
  exec(...command: readonly string[]): Promise<string> {
    return run('nsenter', ...this.entering(), ...command);
  }

  /** Starts a program; its output goes to a log file. */
  async startProgram(name: string, ...command: readonly string[]): Promise<void> {
    // nsenter(1) is not the program: signals need its process ID in the machine.
    const script = `echo $$ > ${this.pidFile(name)}; exec "$@" >> ${this.logFile(name)} 2>&1`;
    const args = [...this.entering(), 'bash', '-c', script, name, ...command];
    this.programs.set(name, await Child.start('nsenter', args));
    await eventually(`${name} of ${this.name} to start`, () => existsSync(this.pidFile(name)));
  }

  async signalProgram(name: string, signal: string): Promise<void> {
    await this.exec('kill', `-${signal}`, readFileSync(this.pidFile(name), 'utf8').trim());
  }

  /** As when a program crashes: SIGKILL. */
  async killProgram(name: string): Promise<void> {
    await this.signalProgram(name, 'KILL');
    await this.programs.get(name)?.ended;
  }

  /** The ends of all logs, for the messages of failing tests. */
  get logs(): string {
    return [...this.programs.keys()]
      .map((name) => `--- ${name} of ${this.name}\n${readFileSync(this.logFile(name), 'utf8').slice(-2000)}`)
      .join('\n');
  }

  /** The network and the control groups stay for `removeMachines`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.child[Symbol.asyncDispose]();
  }

  private entering(): string[] {
    return ['--target', String(this.pid), '--net', '--mount', '--pid', '--'];
  }

  private pidFile(name: string): string {
    return join(this.folder, `${name}.pid`);
  }

  private logFile(name: string): string {
    return join(this.folder, `${name}.log`);
  }

  private async connect(): Promise<void> {
    const outside = `${BRIDGE}-${this.address.split('.').at(-1)}`;
    await run(
      'ip',
      'link',
      'add',
      outside,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      String(this.pid),
    );
    await run('ip', 'link', 'set', outside, 'master', BRIDGE, 'up');
    await this.exec('ip', 'address', 'add', `${this.address}/24`, 'dev', 'eth0');
    await this.exec('ip', 'link', 'set', 'eth0', 'up');
    await this.exec('ip', 'route', 'add', 'default', 'via', `${NETWORK}.1`);
    for (const hierarchy of hierarchies()) makeCgroup(hierarchy, this.cgroup);
  }
}

export async function makeNetwork(): Promise<void> {
  await run('ip', 'link', 'add', BRIDGE, 'type', 'bridge');
  await run('ip', 'address', 'add', `${NETWORK}.1/24`, 'dev', BRIDGE);
  await run('ip', 'link', 'set', BRIDGE, 'up');
}

/** Removes all machines, those that killed runs have left, too, and then the network. */
export async function removeMachines(): Promise<void> {
  for (const pid of leftMachines()) process.kill(pid, 'SIGKILL');
  await eventually('the end of the machines', () => leftMachines().length === 0);
  // The kernel still ends the connections of killed processes. Without a network that takes a minute, for which they keep
  // the namespaces of the machines and pods.
  await eventually('the end of the namespaces', async () => (await links()).length <= 1, 5_000).catch(
    () => undefined,
  );
  // It may end meanwhile.
  for (const link of await links()) await run('ip', 'link', 'delete', link).catch(() => undefined);
  const names = new Set(hierarchies().flatMap((folder) => readdirSync(folder)));
  for (const name of names) if (name.startsWith(`${BRIDGE}-`)) await removeCgroups(`/${name}`);
}

/** The bridge and the wires of machines, which end with the namespaces of these. */
async function links(): Promise<string[]> {
  const all = JSON.parse(await run('ip', '-j', 'link', 'show')) as { ifname: string }[];
  return all.map(({ ifname }) => ifname).filter((name) => name === BRIDGE || name.startsWith(`${BRIDGE}-`));
}

function leftMachines(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => commandLineOf(pid).some((argument) => argument.startsWith(`${TITLE}-`)))
    .map(Number);
}

function commandLineOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // It has ended.
  }
}

/** With version 1 each controller has a hierarchy of its own: see cgroups(7). */
function hierarchies(): string[] {
  if (existsSync(join(CGROUPS, 'cgroup.controllers'))) return [CGROUPS];
  return readdirSync(CGROUPS).map((name) => join(CGROUPS, name));
}

function makeCgroup(hierarchy: string, name: string): void {
  const folder = join(hierarchy, name);
  mkdirSync(folder, { recursive: true });
  // In a new group of the cpuset hierarchy both are empty, and no process can enter it.
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (existsSync(join(folder, file)) && existsSync(join(hierarchy, file))) {
      writeFileSync(join(folder, file), readFileSync(join(hierarchy, file)));
    }
  }
}

/** The kernel removes the processes of a group some time after they have been killed. */
async function removeCgroups(name: string): Promise<void> {
  await eventually(`the end of the control groups ${name}`, () => {
    for (const hierarchy of hierarchies()) removeCgroup(join(hierarchy, name));
    return true;
  });
}

function removeCgroup(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroup(join(folder, entry.name));
  }
  rmdirSync(folder);
}
