import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient, type CaptureParameters, type Closing } from '../kit/capture-client.js';
import { CLOSE_ENDED, CLOSE_NOT_FOUND, CLOSE_STALE_OR_AMBIGUOUS } from '../kit/close-codes.js';
import { namespaceOfProcess } from '../kit/namespace-holders.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { tagOf } from '../kit/packets.js';
import { startTimeOf } from '../kit/processes.js';
import type { Random } from '../kit/random.js';
import type { Service } from '../kit/service.js';
import { sendTagged } from '../kit/tagged-datagram.js';

const WORKERS = 8;
/** About the time that it takes to open a namespace and a ring. */
const OPENING_MS = 40;
const END_TIMEOUT_MS = 15_000;

/** Totals of a churn so far. */
export interface ChurnReport {
  readonly namespaces: number;
  /** How many of them had the inode number of an earlier one. */
  readonly reusedInodes: number;
  readonly packets: number;
  /** Packets from another namespace than the requested one. */
  readonly foreignPackets: number;
  /** How often each outcome happened, such as a capture that ended with its namespace. */
  readonly outcomes: ReadonlyMap<string, number>;
}

/**
 * Makes and removes namespaces, a few at a time, while captures of them start and stop. Packets of each namespace carry
 * its number as flow. Each namespace has one end of a veth pair whose other end is in `witness`: the pair disappears when
 * the kernel has removed the namespace.
 */
export class NamespaceChurn {
  private count = 0;
  private packets = 0;
  private foreignPackets = 0;
  private reusedInodes = 0;
  private readonly inodes = new Set<number>();
  private readonly outcomes = new Map<string, number>();

  constructor(
    private readonly service: Service,
    private readonly witness: NetworkNamespace,
    private readonly random: Random,
  ) {}

  /** @returns the totals of all runs so far */
  async run(namespaces: number): Promise<ChurnReport> {
    const last = this.count + namespaces;
    const worker = async (): Promise<void> => {
      while (this.count < last) await this.round(++this.count);
    };
    await Promise.all(Array.from({ length: WORKERS }, worker));
    const { count, reusedInodes, packets, foreignPackets, outcomes } = this;
    return { namespaces: count, reusedInodes, packets, foreignPackets, outcomes };
  }

  private async round(flow: number): Promise<void> {
    if (this.random.chance(0.5)) await this.mountedRound(flow);
    else await this.processRound(flow);
  }

  /** Captures from a bind-mounted namespace, referred to by its inode only. */
  private async mountedRound(flow: number): Promise<void> {
    await using namespace = await NetworkNamespace.create();
    await this.prepare(namespace, flow);
    await this.capture(namespace, { netns: namespace.inode }, flow);
  }

  /**
   * Captures from the namespace of a process, referred to by inode and process. Such a reference must never lead to
   * another namespace that has got the same inode number later.
   */
  private async processRound(flow: number): Promise<void> {
    await using namespace = await namespaceOfProcess();
    await this.prepare(namespace, flow);
    const { pid, inode: netns } = namespace;
    const request = { container: { netns, pid, starttime: startTimeOf(pid) } };
    if (this.random.chance(0.2)) await this.race(namespace, request, flow);
    else await this.capture(namespace, request, flow);
    await namespace.end();
    await this.refused(request, flow);
  }

  private async prepare(namespace: NetworkNamespace, flow: number): Promise<void> {
    if (this.inodes.has(namespace.inode)) this.reusedInodes++;
    this.inodes.add(namespace.inode);
    await namespace.setUp('lo');
    await namespace.link(`add wire type veth peer name w${flow} netns ${basename(this.witness.path)}`);
  }

  /** Expects a capture to receive the packet and to end before or with its namespace. */
  private async capture(
    namespace: NetworkNamespace,
    request: CaptureParameters,
    flow: number,
  ): Promise<void> {
    await using client = await CaptureClient.open(this.service, request);
    await client.described('lo');
    await sendTagged(namespace, flow);
    await client.received(1, flow);
    switch (this.random.pick(['closed', 'left', 'ended'] as const)) {
      case 'closed':
        await client.close();
        this.happened('closed');
        break;
      case 'left':
        client.abort();
        this.happened('dropped by the client');
        break;
      case 'ended':
        await namespace.end();
        this.expectEnd(await client.ended(END_TIMEOUT_MS), [CLOSE_ENDED]);
        this.happened('ended with its namespace');
    }
    this.look(client, flow);
  }

  /** Ends a namespace while a capture from it starts. */
  private async race(namespace: NetworkNamespace, request: CaptureParameters, flow: number): Promise<void> {
    const opening = CaptureClient.open(this.service, request);
    await sleep(this.random.between(0, OPENING_MS));
    await namespace.end();
    await using client = await opening;
    const closing = await client.ended(END_TIMEOUT_MS);
    this.expectEnd(closing, [CLOSE_ENDED, CLOSE_NOT_FOUND, CLOSE_STALE_OR_AMBIGUOUS]);
    this.happened(`ended while it was opened: ${closing.code}`);
    this.look(client, flow);
  }

  private async refused(request: CaptureParameters, flow: number): Promise<void> {
    await using client = await CaptureClient.open(this.service, request);
    this.expectEnd(await client.ended(END_TIMEOUT_MS), [CLOSE_NOT_FOUND, CLOSE_STALE_OR_AMBIGUOUS]);
    this.happened('refused, as it has ended');
    this.look(client, flow);
  }

  private look(client: CaptureClient, flow: number): void {
    for (const { data } of client.packets) {
      const tag = tagOf(data);
      if (!tag) continue;
      this.packets++;
      if (tag.flow !== flow) this.foreignPackets++;
    }
  }

  private expectEnd({ code, reason }: Closing, codes: readonly number[]): void {
    if (!codes.includes(code)) throw new Error(`a capture ended with ${code} "${reason}"`);
  }

  private happened(what: string): void {
    this.outcomes.set(what, (this.outcomes.get(what) ?? 0) + 1);
  }
}
