import { CaptureClient } from '../kit/capture-client.js';
import { PacketSender, sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import { NamedProcess } from './set-members.js';

const OTHERS = 5;
const PACKETS = 600;
const RATE = 200;
/** A reader in JavaScript, on the same two cores as the sender, can just read that. */
const FLOOD_RATE = 60_000;

describeAsRoot('A member of a set that floods', () => {
  it('takes no packet from the other members', async () => {
    await using service = await Service.start();
    await using made = new AsyncDisposableStack();
    const flooding = made.use(await NamedProcess.start('flood-x'));
    const others: NamedProcess[] = [];
    for (let i = 0; i < OTHERS; i++) others.push(made.use(await NamedProcess.start(`flood-${i}`)));
    const targets = JSON.stringify([{ type: 'proc', name: 'flood-*' }]);
    await using client = await CaptureClient.open(service, { targets, nif: 'eth1' }, { countOnly: true });
    await client.described(...[flooding, ...others].map((each) => each.nameOf('eth1')));

    await using flood = await PacketSender.start(flooding.namespace, {
      interface: 'eth0',
      ratePerSecond: FLOOD_RATE,
    });
    await Promise.all(
      others.map(({ namespace }, index) =>
        sendPackets(namespace, { interface: 'eth0', count: PACKETS, flow: 1 + index, ratePerSecond: RATE }),
      ),
    );
    const sent = await flood.stop();
    for (const each of others) {
      const name = each.nameOf('eth1');
      await client.until(`all packets of ${name}`, () => client.packetCounts.get(name) === PACKETS, 20_000);
    }
    console.info(
      `${client.packetCounts.get(flooding.nameOf('eth1'))} of ${sent} packets of the flood captured`,
    );
    expect(sent).toBeGreaterThan((FLOOD_RATE * PACKETS) / RATE / 4);
    expect(client.disorder).toBe(0);
  }, 60_000);
});
