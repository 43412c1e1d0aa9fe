import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';

const ROUNDS = 10;
/** Each pair is two interfaces, so that 1,000 come and go. */
const PAIRS = 50;
/** Stays far above the noise of the garbage collector and below what queued blocks took: 312 MiB. */
const MAX_GROWTH_KIB = 16 * 1024;
const TEST_TIMEOUT_MS = 120_000;

describeAsRoot('While a client does not read', () => {
  it(
    '1,000 interfaces that come and go cost no memory, and their rings are given back',
    async () => {
      await using service = await Service.start();
      await using namespace = await NetworkNamespace.create();
      await namespace.addWire('eth0', 'eth1');
      await using client = await CaptureClient.open(service, { netns: namespace.inode }, { countOnly: true });
      await client.described('eth0', 'eth1');
      await using load = await PacketSender.start(namespace, { interface: 'eth0', sizes: [1_400] });
      await client.until('packets', () => (client.packetCounts.get('eth1') ?? 0) > 10_000, 20_000);
      const engine = service.inRole('engine').pid; // not the next one, which starts now
      client.stall();
      await sleep(2_000);
      const ringBytesBefore = await ringBytes(service);
      // The first time, code is compiled and heaps grow to the size that they need.
      await comeAndGo(namespace);
      const before = anonymousKiB(engine);
      await comeAndGo(namespace);

      await eventually(
        'rings that are given back',
        async () => (await ringBytes(service)) <= ringBytesBefore,
        20_000,
      );
      const growthKiB = anonymousKiB(engine) - before;
      console.info(`1,000 interfaces while the client does not read: ${growthKiB} KiB`);
      expect(growthKiB).toBeLessThan(MAX_GROWTH_KIB);

      client.resume();
      await load.stop();
      await namespace.addWire('late0', 'late1');
      await client.described('late0', 'late1');
      expect(client.disorder).toBe(0);
    },
    TEST_TIMEOUT_MS,
  );
});

/** 1,000 interfaces, in rounds. */
async function comeAndGo(namespace: NetworkNamespace): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    await batch(namespace, (number) => [
      `link add r${round}a${number} up type veth peer name r${round}b${number}`,
      `link set r${round}b${number} up`,
    ]);
    await batch(namespace, (number) => [`link delete r${round}a${number}`]);
  }
}

async function batch(namespace: NetworkNamespace, commands: (number: number) => string[]): Promise<void> {
  const lines = Array.from({ length: PAIRS }, (_, number) => commands(number)).flat();
  await namespace.exec('sh', '-c', `echo "${lines.join('\n')}" | ip -batch -`);
}

/** Memory of the process that is not shared with a file or with the kernel, as rings are. */
function anonymousKiB(pid: number): number {
  return Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

async function ringBytes(service: Service): Promise<number> {
  const metrics = await (await fetch(service.url('/metrics'))).text();
  return [...metrics.matchAll(/^packetflix_ring_bytes{.*} (\d+)$/gm)]
    .map(([, bytes]) => Number(bytes))
    .reduce((sum, each) => sum + each, 0);
}
