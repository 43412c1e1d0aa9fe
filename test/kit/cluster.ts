import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Addressable } from './capture-client.js';
import { Child } from './child.js';
import { eventually } from './eventually.js';
import { NetworkNamespace } from './namespace.js';
import { isAlive, type ProcessFacts, processTree, startTimeOf } from './processes.js';
import { missingPrograms, reportSkipped } from './required-programs.js';
import { describeAsRoot } from './root.js';
import { run } from './run.js';
import { TemporaryFile } from './second-opinion.js';
import { Service, SERVICE_COMMAND } from './service.js';
import type { ListedTarget } from './target-events.js';
import { teardown } from './teardown.js';

/** The port of the service on each host. */
export const NODE_PORT = 5001;
/** The name whose addresses are those of the hosts, see `NameService`. */
export const NODES_NAME = 'nodes.test';
export const DNS_NODES = `dns:${NODES_NAME}:${NODE_PORT}`;
const START_TIMEOUT_MS = 60_000;
/** Options of setpriv(1), which make a process end with the one that started it, even if that is killed. */
const WITH_THE_TESTS = ['--pdeathsig', 'KILL', '--'];

const missing = missingPrograms([
  ['dnsmasq', 'dnsmasq-base'],
  ['openssl', 'openssl'],
]);

/** Tests that need a cluster of hosts in network namespaces. */
export function describeWithCluster(title: string, tests: () => void): void {
  if (missing.length === 0) {
    describeAsRoot(title, tests);
    return;
  }
  reportSkipped(title, missing);
  describe.skip(title, tests);
}

let clusters = 0;

/**
 * A network of hosts, to which the network namespace of the tests is connected, too. Each host has namespaces of its own for
 * networks, processes and mounts, so that the service there finds nothing but its own targets.
 */
export class Cluster implements AsyncDisposable {
  readonly hosts: Host[] = [];

  private constructor(
    private readonly network: NetworkNamespace,
    private readonly prefix: string,
    readonly names: NameService,
    private readonly made: AsyncDisposableStack,
  ) {}

  /** @param hostNames names of the hosts, whose services are started and have addresses in the name service */
  static async create(...hostNames: readonly string[]): Promise<Cluster> {
    await using made = new AsyncDisposableStack();
    const network = made.use(await NetworkNamespace.create());
    clusters += 1;
    // The half of 198.18.0.0/15, which is reserved for tests of networks by RFC 2544, that no other test uses.
    const prefix = `198.19.${(clusters + process.pid) % 250}`;
    await network.link('add name switch type bridge');
    await network.exec('ip', 'address', 'add', `${prefix}.2/24`, 'dev', 'switch');
    await network.setUp('switch');
    const ours = `pfc${process.pid}.${clusters}`;
    await run('ip', ...words(`link add ${ours} type veth peer name tests netns ${basename(network.path)}`));
    // Otherwise sockets that wait for an unreachable peer would keep the namespace alive.
    made.defer(() => teardown(`the interface ${ours}`, () => run('ip', 'link', 'delete', ours)));
    await network.link('set tests master switch up');
    await run('ip', ...words(`address add ${prefix}.1/24 dev ${ours}`));
    await run('ip', ...words(`link set ${ours} up`));
    const names = made.use(await NameService.start(network, `${prefix}.2`));
    const cluster = new Cluster(network, prefix, names, made.move());
    try {
      await Promise.all(hostNames.map((name) => cluster.addHost(name)));
      await names.set(cluster.hosts.map(({ address }) => address));
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  /** The address of the tests in this network. */
  get ourAddress(): string {
    return `${this.prefix}.1`;
  }

  host(name: string): Host {
    const found = this.hosts.find((host) => host.name === name);
    if (!found) throw new Error(`no host ${name}`);
    return found;
  }

  /** Adds a host with a service, which the name service does not know yet. */
  async addHost(name: string, options: readonly string[] = []): Promise<Host> {
    const address = `${this.prefix}.${10 + this.hosts.length}`;
    const host = new Host(name, address, this.network);
    this.hosts.push(host);
    this.made.use(host);
    await host.boot();
    await host.startService(options);
    return host;
  }

  /** Starts a gateway in the namespace of the tests, which asks the name service of the cluster. */
  async startGateway(options: readonly string[] = ['--nodes', DNS_NODES]): Promise<Service> {
    const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
    const command = ['unshare', '--mount', 'sh', '-c', script, this.names.resolverFile, ...SERVICE_COMMAND];
    return Service.start(options, { command });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.made.disposeAsync();
  }
}

/** A host of a cluster. */
export class Host implements AsyncDisposable {
  private readonly made = new AsyncDisposableStack();
  /** unshare(1), whose end ends the first process in the namespace of processes, and with it all others. */
  private root: Child | undefined;
  private init: number | undefined;
  private service: HostProcess | undefined;

  constructor(
    readonly name: string,
    readonly address: string,
    private readonly network: NetworkNamespace,
  ) {}

  /** What a gateway calls it in `--nodes`. */
  get endpoint(): string {
    return `${this.address}:${NODE_PORT}`;
  }

  /** The log of its service. */
  get log(): string {
    return this.service ? this.service.child.stdout + this.service.child.stderr : '';
  }

  url(path: string, scheme: 'http' | 'ws' = 'http'): string {
    return `${scheme}://${this.endpoint}${path}`;
  }

  async boot(): Promise<void> {
    const namespaces = ['--net', '--pid', '--mount', '--mount-proc', '--fork', '--kill-child=SIGKILL'];
    const unshare = ['unshare', ...namespaces, 'sh', '-c', INIT_SCRIPT];
    this.root = await Child.start('setpriv', [...WITH_THE_TESTS, ...unshare]);
    await this.root.saying(/booted/);
    this.init = await childOf(this.root.pid);
    const link = `add name ${this.port} type veth peer name eth0 netns ${this.init}`;
    await this.network.link(link);
    await this.network.link(`set ${this.port} master switch up`);
    await this.run('ip', 'address', 'add', `${this.address}/24`, 'dev', 'eth0');
    await this.run('ip', 'link', 'set', 'eth0', 'up');
    await this.run('ip', 'link', 'set', 'lo', 'up');
  }

  /** Runs a command on the host and returns its standard output. */
  run(command: string, ...args: readonly string[]): Promise<string> {
    return run('nsenter', ...this.namespaces, command, ...args);
  }

  /** Starts a process on the host. */
  async start(command: string, ...args: readonly string[]): Promise<HostProcess> {
    const child = this.made.use(await Child.start('nsenter', [...this.namespaces, command, ...args]));
    return new HostProcess(child, await childOf(child.pid));
  }

  async startService(options: readonly string[] = []): Promise<void> {
    const [program = '', ...args] = SERVICE_COMMAND;
    const own = ['--local-discovery', '--host', this.address, '--node-name', this.name];
    const service = await this.start(program, ...args, '--port', String(NODE_PORT), ...own, ...options);
    this.service = service;
    await eventually(`the service of ${this.name}: ${this.log}`, () => this.answers(), START_TIMEOUT_MS);
  }

  async stopService(): Promise<void> {
    await this.service?.end('SIGTERM');
    this.service = undefined;
  }

  /** All processes of the service, which `hang` and `resume` signal. */
  processes(): ProcessFacts[] {
    return this.service ? processTree(this.service.child.pid) : [];
  }

  /** Stops all processes of the service: its connections stay, and the kernel accepts new ones. */
  hang(): void {
    for (const { pid } of this.processes()) process.kill(pid, 'SIGSTOP');
  }

  resume(): void {
    for (const { pid } of this.processes()) process.kill(pid, 'SIGCONT');
  }

  /** Cuts the connection to the network without telling anybody. */
  async cutOff(): Promise<void> {
    await this.network.link(`set ${this.port} down`);
  }

  async reconnect(): Promise<void> {
    await this.network.link(`set ${this.port} up`);
  }

  /** Starts a process with this name and a network namespace of its own, in which a wire leads from `eth0` to `eth1`. */
  async addTarget(name: string): Promise<Target> {
    // The name of a process is that of its file.
    const script = `mkdir -p /run/targets; ln -sf /bin/sleep /run/targets/${name}; exec unshare --net /run/targets/${name} 1000000`;
    const process = await this.start('sh', '-c', script);
    const path = `/proc/${process.pid}`;
    await eventually(`the process ${name}`, () => readFileSync(`${path}/comm`, 'utf8').trim() === name);
    const release = (): Promise<void> => process.end('SIGKILL');
    const namespace = await NetworkNamespace.heldBy({ path: `${path}/ns/net`, release });
    await namespace.addWire('eth0', 'eth1');
    return new Target(this, `${name}(${process.hostPid})`, namespace);
  }

  /** Makes a network namespace that a bind mount holds, of the same name on each host where it is made. */
  async addBindMount(name: string): Promise<void> {
    await this.run('ip', 'netns', 'add', name);
    await this.run('ip', '-netns', name, 'link', 'set', 'lo', 'up');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    await teardown(
      `the host ${this.name}`,
      () => this.stopService(),
      () => this.root?.[Symbol.asyncDispose](),
      () => this.made.disposeAsync(),
    );
  }

  /** The interface of the network that leads to this host. */
  private get port(): string {
    return `to-${this.name}`;
  }

  private get namespaces(): string[] {
    return ['--target', String(this.init), '--net', '--pid', '--mount', '--'];
  }

  private async answers(): Promise<boolean> {
    if (!this.service?.child.alive) throw new Error(`the service of ${this.name} has ended:\n${this.log}`);
    // A connection that is kept alive would outlive the host.
    return (await fetch(this.url('/version'), { headers: { connection: 'close' } })).ok;
  }
}

/**
 * Hides what other hosts and tests have mounted: namespaces, and the sockets of container runtimes in /run. Then it waits for
 * the orphans of the host, as the first process must.
 */
const INIT_SCRIPT = `
  while read -r _ _ _ _ path rest; do
    case "$rest" in *' - nsfs '*) umount -l "$path" 2>/dev/null;; esac
  done < /proc/self/mountinfo
  mount -t tmpfs tmpfs /run && echo booted
  while :; do sleep 1000 & wait; done`;

/** A process on a host, with the nsenter(1) that has started it and waits for it. */
export class HostProcess {
  readonly startTime: number;

  constructor(
    readonly child: Child,
    /** Its process ID outside of the host. */
    readonly pid: number,
  ) {
    this.startTime = startTimeOf(pid);
  }

  /** Its process ID on the host. */
  get hostPid(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    return Number(/^NSpid:.*\t(\d+)$/m.exec(status)?.[1]);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (isAlive(this)) process.kill(this.pid, signal);
    await this.child.ended;
  }
}

/** A process on a host that tests capture from. */
export class Target implements AsyncDisposable {
  constructor(
    readonly host: Host,
    /** As the directory lists it. */
    readonly title: string,
    readonly namespace: NetworkNamespace,
  ) {}

  /** The `container` object that refers to it by its name. */
  get reference(): { readonly name: string; readonly prefix: string } {
    return { name: this.title, prefix: this.host.name };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.namespace.end();
  }
}

/** dnsmasq(8), which knows the addresses of one name. */
export class NameService implements AsyncDisposable {
  private constructor(
    private readonly child: Child,
    private readonly hosts: TemporaryFile,
    private readonly resolver: TemporaryFile,
  ) {}

  static async start(network: NetworkNamespace, address: string): Promise<NameService> {
    const hosts = new TemporaryFile('hosts');
    writeFileSync(hosts.path, '');
    const resolver = new TemporaryFile('resolv.conf');
    // With the defaults of resolv.conf(5), a query that is sent while the name service is paused may take 20 s.
    writeFileSync(resolver.path, `nameserver ${address}\noptions timeout:1 attempts:2\n`);
    const files = ['--conf-file=/dev/null', '--no-resolv', '--no-hosts', `--addn-hosts=${hosts.path}`];
    const listen = [`--listen-address=${address}`, '--bind-interfaces', '--local=/test/'];
    const process = ['--keep-in-foreground', '--user=root', '--pid-file', '--log-facility=-'];
    const command = ['dnsmasq', ...process, ...files, ...listen];
    const child = await network.start('setpriv', ...WITH_THE_TESTS, ...command);
    await child.saying(/started/);
    return new NameService(child, hosts, resolver);
  }

  /** A resolv.conf(5) that names this service. */
  get resolverFile(): string {
    return this.resolver.path;
  }

  /** Sets the addresses of `NODES_NAME`. */
  async set(addresses: readonly string[]): Promise<void> {
    writeFileSync(this.hosts.path, addresses.map((address) => `${address} ${NODES_NAME}\n`).join(''));
    const before = this.child.stderr.length;
    this.child.signal('SIGHUP');
    await eventually('dnsmasq to read the addresses', () =>
      this.child.stderr.slice(before).includes('read '),
    );
  }

  get log(): string {
    return this.child.stdout + this.child.stderr;
  }

  /** From now on, it does not answer. */
  pause(): void {
    this.child.signal('SIGSTOP');
  }

  resume(): void {
    this.child.signal('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
    this.hosts[Symbol.dispose]();
    this.resolver[Symbol.dispose]();
  }
}

/** The process ID of the only child of a process, as soon as it has one. */
function childOf(pid: number): Promise<number> {
  const children = `/proc/${pid}/task/${pid}/children`;
  return eventually(
    `a child of process ${pid}`,
    () => Number(readFileSync(children, 'utf8').trim()) || undefined,
  );
}

function words(line: string): string[] {
  return line.split(' ');
}

/** A cluster with a gateway, for all tests of a file. */
export interface ClusterForAllTests {
  readonly cluster: Cluster;
  readonly gateway: Service;
}

/** @param options of the gateway; default: it gets its nodes from the name service */
export function clusterForAllTests(
  hostNames: readonly string[],
  options?: readonly string[],
): ClusterForAllTests {
  let cluster: Cluster | undefined;
  let gateway: Service | undefined;
  beforeAll(async () => {
    cluster = await Cluster.create(...hostNames);
    gateway = await cluster.startGateway(options);
    await nodesAnswer(gateway, hostNames.length);
  });
  afterAll(async () => {
    await teardown(
      'a cluster',
      () => gateway?.[Symbol.asyncDispose](),
      () => cluster?.[Symbol.asyncDispose](),
    );
  });
  return {
    get cluster() {
      if (!cluster) throw new Error('the cluster has not been made');
      return cluster;
    },
    get gateway() {
      if (!gateway) throw new Error('the gateway has not been started');
      return gateway;
    },
  };
}

/** Waits until exactly that many nodes answer, and their targets are known. */
export async function nodesAnswer(
  gateway: Addressable,
  count: number,
  timeoutMs = 20_000,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  await eventually(
    `${count} nodes to answer`,
    async () => {
      const message = await stateOfNodes(gateway);
      if (!message.startsWith(`${count} of `)) throw new Error(message);
      const nodes = (await targetsOf(gateway, headers)).map(({ node }) => node);
      return new Set(nodes).size >= count;
    },
    timeoutMs,
  );
}

/** What `GET /targets` lists. */
export async function targetsOf(
  service: Addressable,
  headers: Readonly<Record<string, string>> = {},
): Promise<readonly ListedTarget[]> {
  const response = await fetch(service.url('/targets', 'http'), { headers });
  return ((await response.json()) as { targets: ListedTarget[] }).targets;
}

/** What the readiness of a gateway says about its nodes. */
export async function stateOfNodes(gateway: Addressable): Promise<string> {
  const { parts } = (await (await fetch(gateway.url('/readyz', 'http'))).json()) as {
    parts?: { nodes?: { message: string } };
  };
  return parts?.nodes?.message ?? '';
}
