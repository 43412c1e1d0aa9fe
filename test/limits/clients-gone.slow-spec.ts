import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { RemoteMachine } from '../server/remote-client.js';
import { CaptureClient } from '../kit/capture-client.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

const MINUTE_MS = 60_000;
/** Several times the rate of a client that reads 64 KiB per second. */
const LOAD = { ratePerSecond: 1_000, sizes: [1_400] };
/** An eighth of the data that the client does not read, to allow for fluctuations of the heap. */
const MAX_GROWTH_KIB = 30 * 1024;

describeAsRoot('The capture slot of a client, with real timeouts,', () => {
  jest.setTimeout(10 * MINUTE_MS);
  const service = serviceForAllTests(['--max-captures', '1']);

  /** Time in ms until another client gets the slot. */
  async function untilFree(namespace: NetworkNamespace, timeoutMs: number): Promise<number> {
    const begin = performance.now();
    while (performance.now() - begin < timeoutMs + 10_000) {
      await using next = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
      await next.until('an answer', () => next.closing !== undefined || next.interfaces.length > 0);
      if (next.closing === undefined) break;
      await delay(200);
    }
    return performance.now() - begin;
  }

  it('is free within 40 s when the client is cut off and no packets are captured', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using machine = await RemoteMachine.create();
    const target = `/capture?netns=${namespace.inode}&nif=eth1`;
    await using client = await machine.client(service.current.port, 'well', target);
    // The detection takes longest directly after the answer to a ping.
    await client.saying(/ping/, 30_000);
    await machine.unplug();
    expect(await untilFree(namespace, 40_000)).toBeLessThan(40_000);
  });

  it.each(['well', 'slow', 'stalled'] as const)(
    'is free within 2 minutes when a client (%s) is cut off under load',
    async (behaviour) => {
      await using namespace = await NetworkNamespace.create();
      await namespace.addWire('eth0', 'eth1');
      await using load = await PacketSender.start(namespace, { interface: 'eth0', ...LOAD });
      await using machine = await RemoteMachine.create();
      const target = `/capture?netns=${namespace.inode}&nif=eth1`;
      await using client = await machine.client(service.current.port, behaviour, target);
      await delay(20_000);
      await machine.unplug();
      expect(await untilFree(namespace, 2 * MINUTE_MS)).toBeLessThan(2 * MINUTE_MS);
      expect(client.alive).toBe(true);
      await load.stop();
    },
  );

  it('is kept by a client that reads 64 KiB per second, with bounded memory', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using load = await PacketSender.start(namespace, { interface: 'eth0', ...LOAD });
    await using machine = await RemoteMachine.create();
    const target = `/capture?netns=${namespace.inode}&nif=eth1`;
    await using client = await machine.client(service.current.port, 'slow', target);
    await delay(MINUTE_MS);
    const before = service.current.resources().residentKiB;
    await delay(3 * MINUTE_MS);
    expect(client.stdout).not.toContain('closed');
    expect(service.current.resources().residentKiB - before).toBeLessThan(MAX_GROWTH_KIB);
    await using refused = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    expect((await refused.ended()).reason).toContain('--max-captures');
    await load.stop();
  });
});
