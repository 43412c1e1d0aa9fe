import { readdirSync, statSync } from 'node:fs';
import { Child } from './child.js';
import { run } from './run.js';

const NAME_PREFIX = 'pfk';
const MOUNT_FOLDER = '/run/netns';
let counter = 0;

/** What keeps a namespace alive. The namespace ends when it is released, unless something else holds it, too. */
export interface NamespaceHolder {
  /** A path that leads to the namespace: what `nsenter --net=` takes. */
  readonly path: string;
  release(): Promise<void>;
}

/**
 * A network namespace made for one test. IPv6 is off in it, so that its interfaces stay silent until a test
 * sends something. `await using` removes it, however the test ends.
 */
export class NetworkNamespace implements AsyncDisposable {
  /** The inode number, by which clients refer to the namespace. */
  readonly inode: number;
  private released = false;

  private constructor(private readonly holder: NamespaceHolder) {
    this.inode = statSync(holder.path).ino;
  }

  /** Makes a namespace held by a bind mount in /run/netns, as `ip netns` does; see namespace-holders.ts for others. */
  static async create(): Promise<NetworkNamespace> {
    await removeLeftovers();
    const name = uniqueName();
    await run('ip', 'netns', 'add', name);
    return NetworkNamespace.heldBy({
      path: `${MOUNT_FOLDER}/${name}`,
      release: async () => void (await run('ip', 'netns', 'delete', name)),
    });
  }

  static async heldBy(holder: NamespaceHolder): Promise<NetworkNamespace> {
    const namespace = new NetworkNamespace(holder);
    const ipv6Switch = '/proc/sys/net/ipv6/conf/default/disable_ipv6';
    await namespace.exec('sh', '-c', `test ! -e ${ipv6Switch} || echo 1 > ${ipv6Switch}`);
    return namespace;
  }

  get path(): string {
    return this.holder.path;
  }

  /** Runs a command in the namespace and returns its standard output. */
  exec(command: string, ...args: readonly string[]): Promise<string> {
    return run('nsenter', `--net=${this.path}`, '--', command, ...args);
  }

  /** Starts a process in the namespace. */
  start(command: string, ...args: readonly string[]): Promise<Child> {
    return Child.start('nsenter', [`--net=${this.path}`, '--', command, ...args]);
  }

  /** Runs ip-link(8) in the namespace; spaces separate the arguments. */
  async link(args: string): Promise<void> {
    await this.exec('ip', 'link', ...args.split(' '));
  }

  /** Adds a pair of veth(4) interfaces, which are up by default. */
  async addWire(name: string, peer: string, options: { mtu?: number; up?: boolean } = {}): Promise<void> {
    const { mtu = 9000, up = true } = options;
    await this.link(`add ${name} mtu ${mtu} type veth peer name ${peer} mtu ${mtu}`);
    if (up) {
      await this.setUp(name, peer);
    }
  }

  /** Gives an interface names of 127 bytes, of which the kernel allows 64 KiB in all: see property in ip-link(8). */
  async addAlternativeNames(device: string, count: number): Promise<void> {
    const names = Array.from({ length: count }, (_, index) => String(index).padEnd(127, 'x'));
    // The arguments of one command have room for some of them only.
    for (let from = 0; from < count; from += 60) {
      const some = names.slice(from, from + 60).flatMap((name) => ['altname', name]);
      await this.exec('ip', 'link', 'property', 'add', 'dev', device, ...some);
    }
  }

  async setUp(...names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.link(`set ${name} up`);
    }
  }

  /** The number of users that have requested promiscuous mode of the interface. */
  async promiscuity(name: string): Promise<number> {
    const [link] = JSON.parse(await this.exec('ip', '-d', '-j', 'link', 'show', name)) as {
      promiscuity: number;
    }[];
    return link?.promiscuity ?? NaN;
  }

  /** Releases the holder, which ends the namespace unless something else holds it, too. */
  async end(): Promise<void> {
    if (!this.released) {
      this.released = true;
      await this.holder.release();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

function uniqueName(): string {
  counter += 1;
  return `${NAME_PREFIX}-${process.pid}-${counter}`;
}

/** Removes namespaces of killed test runs, found by the process ID in the name. */
async function removeLeftovers(): Promise<void> {
  const names = statSync(MOUNT_FOLDER, { throwIfNoEntry: false }) ? readdirSync(MOUNT_FOLDER) : [];
  for (const name of names) {
    const [prefix, pid] = name.split('-');
    if (
      prefix === NAME_PREFIX &&
      /^\d+$/.test(pid ?? '') &&
      !statSync(`/proc/${pid}`, { throwIfNoEntry: false })
    ) {
      await run('ip', 'netns', 'delete', name);
    }
  }
}
