import { CaptureClient } from './capture-client.js';
import { NetworkNamespace } from './namespace.js';
import { PacketSender } from './packets.js';
import type { Service } from './service.js';

/** Few enough that a ring has room for them while a busy machine lets nobody read it for a second. */
const RATE_PER_SECOND = 50;

/** Somebody who captures on the same service while others misbehave. */
export class Bystander implements AsyncDisposable {
  private constructor(
    /** What it captures from. */
    readonly netns: number,
    private readonly client: CaptureClient,
    private readonly sender: PacketSender,
    private readonly made: AsyncDisposableStack,
  ) {}

  static async join(service: Service): Promise<Bystander> {
    await using made = new AsyncDisposableStack();
    const namespace = made.use(await NetworkNamespace.create());
    await namespace.addWire('eth0', 'eth1');
    const request = { netns: namespace.inode, nif: 'eth1' };
    const client = made.use(await CaptureClient.open(service, request, { countOnly: true }));
    await client.described('eth1');
    const order = { interface: 'eth0', ratePerSecond: RATE_PER_SECOND };
    const sender = made.use(await PacketSender.start(namespace, order));
    return new Bystander(namespace.inode, client, sender, made.move());
  }

  /**
   * Waits for all that was sent meanwhile.
   *
   * @returns how many packets were sent, how many of them did not come, and of how many losses the statistics tell
   */
  async leave(): Promise<{ sent: number; missing: number; told: number; disorder: number }> {
    const sent = await this.sender.stop();
    const came = () => this.client.packetCounts.get('eth1') ?? 0;
    const told = () => Number(this.client.statistics.at(-1)?.droppedBySystem ?? 0n);
    await this.client.until('all packets, or news of their loss', () => came() + told() >= sent, 30_000);
    return { sent, missing: sent - came(), told: told(), disorder: this.client.disorder };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.made.disposeAsync();
  }
}
