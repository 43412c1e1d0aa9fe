import { Logger } from '@nestjs/common';
import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseNodeSource, type NodeSource } from '../../shared/config/node-list.js';
import { prefixInCluster, type DirectoryEntry } from '../discovery/target-directory.js';
import {
  NodeClient,
  type ClockReading,
  type NodeCredentials,
  type NodeEndpoint,
  type NodeFacts,
} from './node-client.js';
import { NodeConnection } from './node-connection.js';

/** How often the addresses of names are looked up. */
const LOOK_UP_MS = 2_000;
/** The targets of a node that is missing are listed for this time: it may be a restart. */
const KEEP_MISSING_MS = 30_000;
/** How far clocks drift apart between two readings, at most. */
const CLOCK_DRIFT_MS = 0.5;
/** Further addresses are ignored: each costs a connection and the memory of its targets. */
const MAX_NODES = 1_000;

/** Since when a node is missing, and why. */
export interface Absence {
  readonly since: Date;
  readonly reason: string;
}

/** For users. @param name of the node */
export function describeAbsence(name: string, { since, reason }: Absence): string {
  return `node ${name} is missing since ${since.toISOString()}: ${reason}`;
}

/** A node of the cluster, by its name. It may come back at another address. */
export interface ClusterNode {
  readonly name: string;
  readonly client: NodeClient;
  /** With the name of the node in `node` and `prefix`. */
  readonly targets: readonly DirectoryEntry[];
  /** Absent: unknown. */
  readonly clock?: ClockReading;
  /** Present while it does not answer. */
  readonly absence?: Absence;
  /** Why its targets are not known, or outdated. */
  readonly problem?: string | undefined;
}

interface Address {
  readonly key: string;
  readonly connection: NodeConnection;
  readonly client: NodeClient;
  /** Name of its node; undefined: it has not answered yet. */
  name?: string;
  /** Without the name of the node; undefined: not known yet. */
  targets?: readonly DirectoryEntry[];
  problem?: string | undefined;
}

/** Finds the nodes of the cluster and watches them. */
export class ClusterNodes {
  private readonly logger = new Logger('Cluster');
  private readonly sources: readonly NodeSource[];
  private readonly addresses = new Map<string, Address>();
  private readonly nodes = new Map<string, ClusterNode>();
  private readonly listeners = new Set<() => void>();
  private readonly forgetting = new Map<string, NodeJS.Timeout>();
  private readonly ending = new AbortController();
  private readonly lookUpFailures = new Map<string, string>();
  private notifying?: NodeJS.Immediate;
  /** Undefined: to be determined again. It is asked for with each packet. */
  private medianClock: ClockReading | undefined;

  /** @param nodes texts that `parseNodeSource` accepts */
  constructor(
    nodes: readonly string[],
    private readonly credentials: NodeCredentials,
  ) {
    this.sources = nodes.map(parseNodeSource).filter((source) => source !== undefined);
  }

  begin(): void {
    void this.run();
  }

  close(): void {
    this.ending.abort();
    clearImmediate(this.notifying);
    for (const timer of this.forgetting.values()) clearTimeout(timer);
    for (const { connection } of this.addresses.values()) connection.close();
    this.addresses.clear();
    this.listeners.clear();
  }

  /** All nodes that are known, with those that are missing for a short time. */
  get all(): readonly ClusterNode[] {
    return [...this.nodes.values()];
  }

  get(name: string): ClusterNode | undefined {
    return this.nodes.get(name);
  }

  /** How many addresses there are, and why those names that cannot be looked up have none. */
  get state(): { readonly addresses: number; readonly problems: readonly string[] } {
    return { addresses: this.addresses.size, problems: [...this.lookUpFailures.values()] };
  }

  /** What is wrong with nodes and names, for people. */
  get problems(): readonly string[] {
    const ofNodes = this.all.flatMap(({ name, absence, problem }) =>
      absence ? describeAbsence(name, absence) : problem ? `node ${name}: ${problem}` : [],
    );
    return [...this.state.problems, ...ofNodes];
  }

  /** The median of the clocks of the nodes: most of them agree. */
  get clock(): ClockReading {
    return (this.medianClock ??= this.medianOfClocks());
  }

  /** Calls back after changes of nodes or their targets. @returns ends that */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Never rejects. */
  private async run(): Promise<void> {
    const { signal } = this.ending;
    while (!signal.aborted) {
      const wanted = new Map<string, NodeEndpoint>();
      for (const source of this.sources) {
        for (const endpoint of await this.endpointsOf(source)) wanted.set(keyOf(endpoint), endpoint);
      }
      if (signal.aborted) return;
      this.update(wanted);
      await sleep(LOOK_UP_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  private async endpointsOf(source: NodeSource): Promise<NodeEndpoint[]> {
    const { host, port, tls, isNameOfAll } = source;
    if (!isNameOfAll) return [{ host, port, tls }];
    try {
      const found = await lookup(host, { all: true });
      if (this.lookUpFailures.delete(host)) this.logger.log(`the name ${host} can be looked up again`);
      return found.map(({ address }) => ({ host: address, port, tls, serverName: host }));
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (!this.lookUpFailures.has(host)) {
        const problem = `the name ${host} cannot be looked up (${code})`;
        this.logger.warn(problem);
        this.lookUpFailures.set(host, problem);
      }
      // A name server that fails says nothing about the nodes. ENOTFOUND: the name has no addresses, or does not exist.
      if (code === 'ENOTFOUND') return [];
      return [...this.addresses.values()]
        .map(({ client }) => client.endpoint)
        .filter(({ serverName, port: itsPort }) => serverName === host && itsPort === port);
    }
  }

  private update(wanted: ReadonlyMap<string, NodeEndpoint>): void {
    for (const address of [...this.addresses.values()]) {
      if (wanted.has(address.key)) continue;
      address.connection.close();
      this.addresses.delete(address.key);
      this.onFailure(address, 'its address is not one of the cluster any more');
    }
    for (const [key, endpoint] of wanted) {
      if (!this.addresses.has(key) && this.addresses.size < MAX_NODES) this.add(key, endpoint);
    }
  }

  private add(key: string, endpoint: NodeEndpoint): void {
    const client = new NodeClient(endpoint, this.credentials);
    const connection = new NodeConnection(client, {
      onAnswer: (facts) => this.onAnswer(address, facts),
      onFailure: (reason) => this.onFailure(address, reason),
      onTargets: (targets) => this.onTargets(address, targets),
      onTargetsFailure: (reason) => this.onTargetsFailure(address, reason),
    });
    const address: Address = { key, connection, client };
    this.addresses.set(key, address);
  }

  private onAnswer(address: Address, { name, clock: read }: NodeFacts): void {
    const formerName = address.name;
    address.name = this.nameFor(address, name);
    // Without this, what it was called before would be listed for ever.
    if (
      formerName !== undefined &&
      formerName !== address.name &&
      this.nodes.get(formerName)?.client === address.client
    ) {
      this.nodes.delete(formerName);
    }
    const before = this.nodes.get(address.name);
    const clock = read && moreExact(before?.clock, read);
    if (before?.absence || !before)
      this.logger.log(`node ${address.name} answers at ${address.client.address}`);
    clearTimeout(this.forgetting.get(address.name));
    this.forgetting.delete(address.name);
    this.nodes.set(address.name, {
      name: address.name,
      client: address.client,
      // Those of before its restart are better than none.
      targets: before?.targets ?? [],
      ...(clock && { clock }),
      ...(address.problem !== undefined && { problem: address.problem }),
    });
    this.medianClock = undefined;
    if (!before || before.absence || before.client !== address.client) this.publish(address);
  }

  /** Two nodes never have one name: the one that has it keeps it as long as it answers, and the other one is called by its address. */
  private nameFor(address: Address, claimed: string | undefined): string {
    const own = address.client.address;
    const isAddressOfOther = [...this.addresses.values()].some(
      (other) => other !== address && other.client.address === claimed,
    );
    if (claimed === undefined || isAddressOfOther) return own;
    const holder = this.nodes.get(claimed);
    if (!holder || holder.client === address.client || holder.absence) return claimed;
    if (address.name !== own) {
      this.logger.warn(`${own} claims to be node ${claimed}, which answers at ${holder.client.address}`);
    }
    return own;
  }

  private onFailure({ name, client }: Address, reason: string): void {
    const node = name === undefined ? undefined : this.nodes.get(name);
    if (!node || node.client !== client || node.absence) return;
    this.logger.warn(`node ${node.name} is missing: ${reason}`);
    this.nodes.set(node.name, { ...node, absence: { since: new Date(), reason } });
    this.medianClock = undefined;
    const timer = setTimeout(() => this.forget(node.name), KEEP_MISSING_MS).unref();
    this.forgetting.set(node.name, timer);
    this.notify();
  }

  private forget(name: string): void {
    this.forgetting.delete(name);
    const node = this.nodes.get(name);
    if (!node?.absence) return;
    const isListed = [...this.addresses.values()].some(({ client }) => client === node.client);
    if (isListed) this.nodes.set(name, { ...node, targets: [] });
    else this.nodes.delete(name);
    this.notify();
  }

  private onTargets(address: Address, targets: readonly DirectoryEntry[]): void {
    address.targets = targets;
    address.problem = undefined;
    this.publish(address);
  }

  private onTargetsFailure(address: Address, reason: string): void {
    if (address.problem !== reason)
      this.logger.warn(`node ${address.name ?? address.client.address}: ${reason}`);
    address.problem = reason;
    this.publish(address);
  }

  /** What an address tells becomes what is known of its node. */
  private publish({ name, client, targets, problem }: Address): void {
    const node = name === undefined ? undefined : this.nodes.get(name);
    if (name === undefined || !node || node.client !== client) return;
    const located = targets?.map((target) => ({
      ...target,
      node: name,
      prefix: prefixInCluster(name, target.prefix),
    }));
    this.nodes.set(name, {
      ...node,
      ...(located && { targets: located }),
      problem,
    });
    this.notify();
  }

  private medianOfClocks(): ClockReading {
    const known = this.all.flatMap(({ clock, absence }) => (absence || !clock ? [] : clock));
    return known.sort((a, b) => a.aheadMs - b.aheadMs)[known.length >> 1] ?? { aheadMs: 0, errorMs: 0 };
  }

  /** Once for all changes of a moment. */
  private notify(): void {
    this.notifying ??= setImmediate(() => {
      this.notifying = undefined;
      for (const listener of this.listeners) listener();
    });
  }
}

function keyOf({ host, port, tls }: NodeEndpoint): string {
  return `${tls ? 'https' : 'http'} ${host} ${port}`;
}

/** Of two readings, the more exact one that still holds: the clock drifts, and it may have been set. */
function moreExact(known: ClockReading | undefined, latest: ClockReading): ClockReading {
  const errorMs = known ? known.errorMs + CLOCK_DRIFT_MS : Infinity;
  if (!known || errorMs >= latest.errorMs) return latest;
  return Math.abs(known.aheadMs - latest.aheadMs) > errorMs + latest.errorMs ? latest : { ...known, errorMs };
}
