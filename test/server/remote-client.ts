import { basename } from 'node:path';
import type { Child } from '../kit/child.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { run } from '../kit/run.js';

const PROGRAM = new URL('../kit/programs/capture-client.ts', import.meta.url).pathname;

let machines = 0;

/** A network namespace that acts as a remote machine. Its connection can be cut without the peers being notified. */
export class RemoteMachine implements AsyncDisposable {
  private constructor(
    private readonly namespace: NetworkNamespace,
    /** The local end of the veth pair. */
    private readonly ours: string,
    /** The local address that the machine can reach. */
    readonly ourAddress: string,
  ) {}

  static async create(): Promise<RemoteMachine> {
    const namespace = await NetworkNamespace.create();
    machines += 1;
    const ours = `pfk${process.pid}.${machines}`;
    // 198.18.0.0/15 is reserved for tests of networks by RFC 2544.
    const network = `198.18.${machines + (process.pid % 200)}`;
    await run('ip', ...words(`link add ${ours} type veth peer name eth0 netns ${basename(namespace.path)}`));
    await run('ip', ...words(`address add ${network}.1/24 dev ${ours}`));
    await run('ip', ...words(`link set ${ours} up`));
    await namespace.exec('ip', ...words(`address add ${network}.2/24 dev eth0`));
    await namespace.setUp('eth0');
    return new RemoteMachine(namespace, ours, `${network}.1`);
  }

  /**
   * Starts a client on that machine and waits until it is connected; see capture-client.ts for the behaviours.
   *
   * @param target path and query of its request; default: those of capture-client.ts
   */
  async client(port: number, behaviour: 'well' | 'slow' | 'stalled', ...target: [string?]): Promise<Child> {
    const client = await this.namespace.start(
      process.execPath,
      PROGRAM,
      this.ourAddress,
      String(port),
      behaviour,
      ...target.filter((each) => each !== undefined),
    );
    await client.saying(/open/);
    return client;
  }

  async unplug(): Promise<void> {
    await this.namespace.link('set eth0 down');
  }

  async plugIn(): Promise<void> {
    await this.namespace.setUp('eth0');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Otherwise sockets that wait for an unreachable peer would keep the namespace alive.
    await run('ip', 'link', 'delete', this.ours);
    await this.namespace.end();
  }
}

function words(line: string): string[] {
  return line.split(' ');
}
