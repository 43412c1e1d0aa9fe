import { CaptureClient } from './capture-client.js';
import { NetworkNamespace } from './namespace.js';
import { PacketSender } from './packets.js';
import type { Service } from './service.js';

const RATE_PER_SECOND = 200;

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
    const client = made.use(await CaptureClient.open(service, { netns: namespace.inode, nif: 'eth1' }));
    await client.described('eth1');
    const order = { interface: 'eth0', ratePerSecond: RATE_PER_SECOND };
    const sender = made.use(await PacketSender.start(namespace, order));
    return new Bystander(namespace.inode, client, sender, made.move());
  }

  /** Waits for all that was sent meanwhile; gives how many packets, and how many of them did not come. */
  async leave(): Promise<{ sent: number; missing: number; disorder: number }> {
    const sent = await this.sender.stop();
    await this.client.received(sent);
    return { sent, missing: this.client.missing, disorder: this.client.disorder };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.made.disposeAsync();
  }
}
