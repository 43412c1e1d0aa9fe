import { setTimeout as delay } from 'node:timers/promises';
import { CaptureClient } from '../kit/capture-client.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender, sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';

const COUNT = 10_000;
const SIZES = [1_400];
const STALL_MS = 4_000;
const LOAD = { ratePerSecond: 30_000, sizes: SIZES };
/** A fifth of the load during the stall. */
const MAX_GROWTH_KIB = 32 * 1024;

describeAsRoot('The limit of bytes in flight', () => {
  it.each([
    [[], 16 * 1024, 256 * 1024],
    [['--max-in-flight', '16'], 8 * 1024, 16 * 1024],
  ])('limits the size of messages with %j and loses no packets', async (options, minBytes, maxBytes) => {
    await using service = await Service.start(options);
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(
      service,
      { netns: namespace.inode, nif: 'eth1' },
      { countOnly: true },
    );
    await client.described('eth1');
    // While the client is stalled, more data than the limit accumulates.
    client.stall();
    await sendPackets(namespace, { interface: 'eth0', count: COUNT, sizes: SIZES });
    client.resume();
    await client.until('all packets', () => client.packetCounts.get('eth1') === COUNT, 40_000);

    expect(client.largestMessageBytes).toBeLessThanOrEqual(maxBytes);
    expect(client.largestMessageBytes).toBeGreaterThan(minBytes);
    expect(client.disorder).toBe(0);
  });

  it('limits the memory for a client that stops reading under load', async () => {
    await using service = await Service.start(['--max-in-flight', '16']);
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(
      service,
      { netns: namespace.inode, nif: 'eth1' },
      { countOnly: true },
    );
    await client.described('eth1');
    await using load = await PacketSender.start(namespace, { interface: 'eth0', ...LOAD });
    await client.until('packets', () => (client.packetCounts.get('eth1') ?? 0) > LOAD.ratePerSecond, 30_000);
    const before = service.resources().residentKiB;

    client.stall();
    await delay(STALL_MS);
    const during = service.resources().residentKiB;
    const sent = await load.stop();
    client.resume();
    await client.until('statistics of all packets', () =>
      client.statistics.some(({ received }) => received === BigInt(sent)),
    );

    expect(during - before).toBeLessThan(MAX_GROWTH_KIB);
    // Losses are reported, and the capture continues.
    expect(client.closing).toBeUndefined();
    expect(client.statistics.at(-1)?.droppedBySystem).toBeGreaterThan(0n);
  });
});
