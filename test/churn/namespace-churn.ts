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

const AT_ONCE = 8;
/** About as long as it takes to open a namespace and a ring. */
const OPENING_MS = 40;
const END_WITHIN_MS = 15_000;

/** What a churn has seen so far. */
export interface ChurnReport {
  readonly namespaces: number;
  /** How many of them had the number of an earlier one. */
  readonly reusedNumbers: number;
  readonly packets: number;
  /** Packets that came from another namespace than was asked for. */
  readonly strangePackets: number;
  /** How often each thing happened, such as a capture that ended with its namespace. */
  readonly outcomes: ReadonlyMap<string, number>;
}

/**
 * Namespaces that are made and removed, a few at a time, while captures of them start and stop. Each sends packets that
 * carry its own number, and each has one end of a wire whose other end is in `witness`: that disappears when the kernel
 * has really removed the namespace.
 */
export class NamespaceChurn {
  private count = 0;
  private packets = 0;
  private strangePackets = 0;
  private reusedNumbers = 0;
  private readonly numbers = new Set<number>();
  private readonly outcomes = new Map<string, number>();

  constructor(
    private readonly service: Service,
    private readonly witness: NetworkNamespace,
    private readonly random: Random,
  ) {}

  /** @returns everything since the beginning */
  async run(namespaces: number): Promise<ChurnReport> {
    const last = this.count + namespaces;
    const worker = async (): Promise<void> => {
      while (this.count < last) await this.round(++this.count);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    const { count, reusedNumbers, packets, strangePackets, outcomes } = this;
    return { namespaces: count, reusedNumbers, packets, strangePackets, outcomes };
  }

  private async round(flow: number): Promise<void> {
    if (this.random.chance(0.5)) await this.mountedRound(flow);
    else await this.processRound(flow);
  }

  /** By its number, which is all that there is to tell it by. */
  private async mountedRound(flow: number): Promise<void> {
    await using namespace = await NetworkNamespace.create();
    await this.prepare(namespace, flow);
    await this.capture(namespace, { netns: namespace.inode }, flow);
  }

  /** By a process as well: such a reference leads to this namespace or nowhere, whoever has its number by now. */
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
    if (this.numbers.has(namespace.inode)) this.reusedNumbers++;
    this.numbers.add(namespace.inode);
    await namespace.setUp('lo');
    await namespace.link(`add wire type veth peer name w${flow} netns ${basename(this.witness.path)}`);
  }

  /** A capture that sees its packet, and ends before or with its namespace. */
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
        this.happened('left without a word');
        break;
      case 'ended':
        await namespace.end();
        this.expectEnd(await client.ended(END_WITHIN_MS), [CLOSE_ENDED]);
        this.happened('ended with its namespace');
    }
    this.look(client, flow);
  }

  /** A namespace that ends while the capture of it begins. */
  private async race(namespace: NetworkNamespace, request: CaptureParameters, flow: number): Promise<void> {
    const opening = CaptureClient.open(this.service, request);
    await sleep(this.random.between(0, OPENING_MS));
    await namespace.end();
    await using client = await opening;
    const closing = await client.ended(END_WITHIN_MS);
    this.expectEnd(closing, [CLOSE_ENDED, CLOSE_NOT_FOUND, CLOSE_STALE_OR_AMBIGUOUS]);
    this.happened(`ended while it was opened: ${closing.code}`);
    this.look(client, flow);
  }

  private async refused(request: CaptureParameters, flow: number): Promise<void> {
    await using client = await CaptureClient.open(this.service, request);
    this.expectEnd(await client.ended(END_WITHIN_MS), [CLOSE_NOT_FOUND, CLOSE_STALE_OR_AMBIGUOUS]);
    this.happened('refused, as it has ended');
    this.look(client, flow);
  }

  private look(client: CaptureClient, flow: number): void {
    for (const { data } of client.packets) {
      const tag = tagOf(data);
      if (!tag) continue;
      this.packets++;
      if (tag.flow !== flow) this.strangePackets++;
    }
  }

  private expectEnd({ code, reason }: Closing, codes: readonly number[]): void {
    if (!codes.includes(code)) throw new Error(`a capture ended with ${code} "${reason}"`);
  }

  private happened(what: string): void {
    this.outcomes.set(what, (this.outcomes.get(what) ?? 0) + 1);
  }
}
