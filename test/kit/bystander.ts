import { CaptureClient } from './capture-client.js';
import { NetworkNamespace } from './namespace.js';
import { PacketSender } from './packets.js';
import type { Service } from './service.js';

/** So low that a ring holds more than a second of it, since a busy machine may delay its reader for that long. */
const RATE_PER_SECOND = 50;

/** A well-behaved client that captures on the same service while other clients misbehave. */
export class Bystander implements AsyncDisposable {
  private constructor(
    /** Inode of the network namespace that it captures from. */
    readonly netns: number,
    private readonly client: CaptureClient,
    private readonly sender: PacketSender,
    private readonly made: AsyncDisposableStack,
  ) {}

  /** @param ratePerSecond of the packets that it captures */
  static async join(service: Service, ratePerSecond = RATE_PER_SECOND): Promise<Bystander> {
    await using made = new AsyncDisposableStack();
    const namespace = made.use(await NetworkNamespace.create());
    await namespace.addWire('eth0', 'eth1');
    const request = { netns: namespace.inode, nif: 'eth1' };
    const client = made.use(await CaptureClient.open(service, request, { countOnly: true }));
    await client.described('eth1');
    const spec = { interface: 'eth0', ratePerSecond };
    const sender = made.use(await PacketSender.start(namespace, spec));
    return new Bystander(namespace.inode, client, sender, made.move());
  }

  /**
   * Stops sending and waits until each sent packet is received or reported as lost.
   *
   * @returns the number of packets sent, of those not received, of those reported as dropped in the statistics, and of
   *   those out of order
   */
  async leave(): Promise<{ sent: number; missing: number; reported: number; disorder: number }> {
    const sent = await this.sender.stop();
    const received = () => this.client.packetCounts.get('eth1') ?? 0;
    const reported = () => Number(this.client.statistics.at(-1)?.droppedBySystem ?? 0n);
    await this.client.until(
      'all packets or reports of their loss',
      () => received() + reported() >= sent,
      30_000,
    );
    return { sent, missing: sent - received(), reported: reported(), disorder: this.client.disorder };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.made.disposeAsync();
  }
}
