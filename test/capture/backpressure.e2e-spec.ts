import { CaptureClient } from '../kit/capture-client.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';
import { setTimeout as sleep } from 'node:timers/promises';

const STALL_MS = 6_000;
const SAMPLE_INTERVAL_MS = 100;
const LOAD = { ratePerSecond: 60_000, sizes: [1_400] };
/** 1.5 s of the load: far more than the service buffers, far less than is sent while the client is stalled. */
const MAX_GROWTH_KIB = 128 * 1024;
const QUIET_RATE = 500;

describeAsRoot('A client that stops reading under load', () => {
  const service = serviceForAllTests();

  it('costs bounded memory, does not disturb other clients, and gets a valid stream that reports its losses', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await namespace.addWire('wan0', 'wan1');
    const { inode: netns } = namespace;
    await using stalled = await CaptureClient.open(
      service.current,
      { netns, nif: 'eth1' },
      { countOnly: true },
    );
    await using other = await CaptureClient.open(
      service.current,
      { netns, nif: 'wan1' },
      { countOnly: true },
    );
    await Promise.all([stalled.described('eth1'), other.described('wan1')]);
    await using load = await PacketSender.start(namespace, { interface: 'eth0', ...LOAD });
    await using quiet = await PacketSender.start(namespace, { interface: 'wan0', ratePerSecond: QUIET_RATE });
    const count = (client: CaptureClient, name: string) => client.packetCounts.get(name) ?? 0;
    await stalled.until('packets under load', () => count(stalled, 'eth1') > LOAD.ratePerSecond, 20_000);
    const before = service.current.resources().residentKiB;

    stalled.stall();
    let highest = 0;
    for (const end = performance.now() + STALL_MS; performance.now() < end; await sleep(SAMPLE_INTERVAL_MS)) {
      highest = Math.max(highest, service.current.resources().residentKiB);
    }
    const sentToOther = await quiet.stop();
    await other.until('all packets of the other', () => count(other, 'wan1') === sentToOther);
    const sent = await load.stop();
    stalled.resume();
    await stalled.until('statistics of all packets', () =>
      stalled.statistics.some(({ received }) => received === BigInt(sent)),
    );

    expect(highest - before).toBeLessThan(MAX_GROWTH_KIB);
    const last = stalled.statistics.at(-1);
    expect(last?.droppedBySystem).toBeGreaterThan(BigInt(LOAD.ratePerSecond));
    expect(BigInt(count(stalled, 'eth1'))).toBe(BigInt(sent) - (last?.droppedBySystem ?? 0n));
    expect(stalled.disorder).toBe(0);
    expect(other.disorder).toBe(0);
    expect(other.statistics.at(-1)?.droppedBySystem).toBe(0n);
  });
});
