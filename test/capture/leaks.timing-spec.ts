import { startAllThreads } from '../kit/all-processes.js';
import { CaptureClient } from '../kit/capture-client.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { Random } from '../kit/random.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

const CAPTURES_PER_ROUND = 20;
const ROUNDS = 100;
const ROUNDS_PER_SAMPLE = 5;
/** The heaps of fresh processes grow until they have seen a thousand captures. */
const WARM_UP_ROUNDS = 50;
/** As documented in docs/reliability.md. A capture that leaks one of its block buffers leaks more. */
const MAX_GROWTH_KIB_PER_CAPTURE = 32;

describeAsRoot('Twenty captures', () => {
  const service = serviceForAllTests();

  it('that are started and stopped in random order a hundred times leak nothing', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const random = new Random(Date.now());
    console.info(`random order from seed ${random.seed}`);
    const request = (index: number) => ({
      netns: namespace.inode,
      nif: 'eth1',
      // Each filter is compiled in a separate process, so only a few captures have one.
      filter: index % 10 ? '' : 'udp',
    });
    const round = async () => {
      const clients = await Promise.all(
        Array.from({ length: CAPTURES_PER_ROUND }, (_, index) =>
          CaptureClient.open(service.current, request(index)),
        ),
      );
      await sendPackets(namespace, { interface: 'eth0', count: 10 });
      await Promise.all(shuffled(clients, random).map((client) => stop(client, random.next())));
    };

    await (await startAllThreads(service.current)).disposeAsync();
    for (let number = 1; number < WARM_UP_ROUNDS; number += 1) await round();
    const before = await service.current.resourcesAtRest();
    const samples: [captures: number, residentKiB: number][] = [];
    let after = before;
    for (let number = WARM_UP_ROUNDS; number <= ROUNDS; number += 1) {
      await round();
      if (number % ROUNDS_PER_SAMPLE !== 0) continue;
      after = await service.current.resourcesAtRest();
      samples.push([number * CAPTURES_PER_ROUND, after.residentKiB]);
    }
    const growth = slopeOf(samples);

    expect(after.processes).toBeLessThanOrEqual(before.processes);
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(after.threads).toBeLessThanOrEqual(before.threads);
    console.info(`memory grows by ${growth.toFixed(1)} KiB per capture: ${JSON.stringify(samples)}`);
    expect(growth).toBeLessThan(MAX_GROWTH_KIB_PER_CAPTURE);
    expect(await namespace.promiscuity('eth1')).toBe(0);
    expect(service.current.log).not.toMatch(/warning/i);
  }, 300_000);
});

/** Ends like various clients: some at once, some after the first block, some without a close frame. */
async function stop(client: CaptureClient, chance: number): Promise<void> {
  if (chance < 0.6) await client.described('eth1');
  if (chance < 0.3) await client.close();
  else if (chance < 0.8) client.abort();
  else await client.close(1001, 'leaving');
  await client.ended();
}

/** The slope of the line that fits the points best, by least squares. */
function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const covariance = mean(points.map(([x, y]) => (x - meanX) * (y - meanY)));
  return covariance / mean(points.map(([x]) => (x - meanX) ** 2));
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, key: random.next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
