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
    const received = (name: string): number => client.packetCounts.get(name) ?? 0;
    const dropped = (name: string): number => {
      const all = client.statistics.filter((each) => each.interface.name === name);
      return Number(all.at(-1)?.droppedBySystem ?? 0n);
    };
    const accounted = (name: string): number => received(name) + dropped(name);
    const names = others.map((each) => each.nameOf('eth1'));
    const flooded = flooding.nameOf('eth1');
    await client.until(
      'all packets, or reports of their loss',
      () => names.every((name) => accounted(name) === PACKETS),
      30_000,
    );
    await client.until('the same for the flood', () => accounted(flooded) === sent, 30_000);
    // A machine that is too busy for the reader of the stream loses packets of all.
    const lost = names.reduce((sum, name) => sum + dropped(name), 0);
    if (dropped(flooded) === 0) expect(lost).toBe(0);
    expect(lost).toBeLessThan((names.length * PACKETS) / 4);
    console.info(`${received(flooded)} of ${sent} packets of the flood captured, ${lost} of the others lost`);
    expect(sent).toBeGreaterThan((FLOOD_RATE * PACKETS) / RATE / 4);
    expect(client.disorder).toBe(0);
  }, 60_000);
});
