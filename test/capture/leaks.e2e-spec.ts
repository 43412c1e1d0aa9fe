import { CaptureClient } from '../kit/capture-client.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { Random } from '../kit/random.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

const CAPTURES = 20;
const ROUNDS = 100;
/** Memory is compared from one stage to the next; the first one fills the heaps of fresh processes. */
const STAGES = 5;
/** A leak of 64 KiB a capture, a fifth of one buffer, is more than this in every stage; a heap that breathes is not. */
const MAX_GROWTH_KIB = 24 * 1024;

describeAsRoot('Twenty captures', () => {
  const service = serviceForAllTests();

  it('started and stopped in random order a hundred times leave nothing behind', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const random = new Random(Date.now());
    console.info(`random order from seed ${random.seed}`);
    const request = (index: number) => ({
      netns: namespace.inode,
      nif: 'eth1',
      // Compiling takes a process each time: a few of them are enough.
      filter: index % 10 ? '' : 'udp',
    });
    const round = async () => {
      const clients = await Promise.all(
        Array.from({ length: CAPTURES }, (_, index) => CaptureClient.open(service.current, request(index))),
      );
      await sendPackets(namespace, { interface: 'eth0', count: 10 });
      await Promise.all(shuffled(clients, random).map((client) => stop(client, random.next())));
    };

    await round();
    const before = await service.current.resourcesAtRest();
    const residentKiB: number[] = [];
    let after = before;
    for (let stage = 0; stage < STAGES; stage += 1) {
      for (let number = 0; number < ROUNDS / STAGES; number += 1) await round();
      after = await service.current.resourcesAtRest();
      residentKiB.push(after.residentKiB);
    }
    const growthsKiB = residentKiB.slice(1).map((now, stage) => now - (residentKiB[stage] ?? 0));

    expect(after.processes).toBeLessThanOrEqual(before.processes);
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors);
    expect(after.threads).toBeLessThanOrEqual(before.threads);
    console.info(`growth of memory in each stage: ${growthsKiB.join(', ')} KiB`);
    expect(Math.min(...growthsKiB)).toBeLessThan(MAX_GROWTH_KIB);
    expect(await namespace.promiscuity('eth1')).toBe(0);
    expect(service.current.log).not.toMatch(/warning/i);
  }, 300_000);
});

/** As clients end: some at once, some when they have seen something, some without a word. */
async function stop(client: CaptureClient, chance: number): Promise<void> {
  if (chance < 0.6) await client.described('eth1');
  if (chance < 0.3) await client.close();
  else if (chance < 0.8) client.abort();
  else await client.close(1001, 'leaving');
  await client.ended();
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, key: random.next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
