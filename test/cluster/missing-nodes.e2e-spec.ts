import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../kit/capture-client.js';
import {
  clusterForAllTests,
  describeWithCluster,
  nodesAnswer,
  type Target,
  targetsOf,
} from '../kit/cluster.js';
import { eventually } from '../kit/eventually.js';
import { PacketSender, sendPackets } from '../kit/packets.js';
import { commentsOf } from '../sets/set-members.js';

const HOSTS = ['alpha', 'beta', 'gamma'];
const TARGETS = JSON.stringify([{ type: 'proc', name: 'set-*' }]);
/** Low, because a packet that arrives alone takes a whole block of its ring: an engine that waits for a core must not drop any. */
const RATE = 100;
/** The gateway asks each node every 2 s, waits 2.5 s for an answer, and then asks a second time. */
const MISSED_MS = 25_000;

describeWithCluster('When a node of a cluster', () => {
  const current = clusterForAllTests(HOSTS);
  let targets: Target[] = [];
  let client: CaptureClient;
  let senders: PacketSender[] = [];

  const nameOf = ({ title, host }: Target): string => `${title} in ${host.name}:eth1`;
  const said = (pattern: RegExp): string | undefined => commentsOf(client).find((text) => pattern.test(text));

  beforeAll(async () => {
    targets = await Promise.all(current.cluster.hosts.map((host) => host.addTarget('set-member')));
    await eventually('the targets', async () => {
      const names = (await targetsOf(current.gateway)).map(({ name }) => name);
      return names.filter((name) => name.startsWith('set-member')).length === HOSTS.length;
    });
  });

  /** A capture of the set begins before each test, and packets are sent on all hosts. */
  beforeEach(async () => {
    await nodesAnswer(current.gateway, HOSTS.length, MISSED_MS);
    client = await CaptureClient.open(current.gateway, { targets: TARGETS, nif: 'eth1' });
    await client.described(...targets.map(nameOf));
    senders = await Promise.all(
      targets.map(({ namespace }, flow) =>
        PacketSender.start(namespace, { interface: 'eth0', flow, ratePerSecond: RATE }),
      ),
    );
    for (const target of targets) await client.receivedFrom(nameOf(target), targets.indexOf(target));
  });

  afterEach(async () => {
    for (const host of current.cluster.hosts) {
      host.resume();
      await host.reconnect();
    }
    for (const sender of senders) await sender[Symbol.asyncDispose]();
    await client[Symbol.asyncDispose]();
  });

  /** Stops sending on all hosts; expects each packet of those of which none may be missing. */
  async function expectAllOf(...complete: readonly string[]): Promise<void> {
    for (const [flow, sender] of senders.entries()) {
      const sent = await sender.stop();
      if (complete.includes(HOSTS[flow] ?? '')) {
        await client.received(sent, flow);
        expect(client.sequences(flow)).toHaveLength(sent);
      }
    }
    senders = [];
    expect(client.disorder).toBe(0);
    expect(client.closing).toBeUndefined();
  }

  /** Packets arrive from the others while one node is missing, without being held up. */
  async function expectFlow(...flows: readonly number[]): Promise<void> {
    const before = flows.map((flow) => client.sequences(flow).length);
    await sleep(1_000);
    const during = flows.map((flow, index) => client.sequences(flow).length - (before[index] ?? 0));
    for (const count of during) expect(count).toBeGreaterThan(RATE / 2);
  }

  it('is cut off, the stream says which and since when, and goes on when it is back', async () => {
    const { cluster, gateway } = current;
    const begin = Date.now();
    await cluster.host('beta').cutOff();
    await expectFlow(0, 2);
    await client.until('a comment', () => said(/node beta: missing since/) !== undefined, MISSED_MS);
    const [, since = ''] = /missing since (\S+):/.exec(said(/node beta: missing since/) ?? '') ?? [];
    expect(Date.parse(since)).toBeGreaterThanOrEqual(begin);
    expect(Date.parse(since)).toBeLessThanOrEqual(begin + MISSED_MS);
    await nodesAnswer(gateway, HOSTS.length - 1, MISSED_MS);
    // Who asks for it by its name gets an answer instead of waiting.
    await using refused = await CaptureClient.open(gateway, { container: (targets[1] as Target).reference });
    const closing = await refused.ended();
    expect(closing.code).toBe(4502);
    expect(closing.reason).toMatch(/^node beta is missing since/);

    await cluster.host('beta').reconnect();
    await client.until('another comment', () => said(/node beta: back at/) !== undefined, MISSED_MS);
    await sendPackets((targets[1] as Target).namespace, { interface: 'eth0', count: 10, flow: 50 });
    await client.received(10, 50);
    await expectAllOf('alpha', 'gamma');
    // It is the same interface as before.
    expect(client.interfaceNames).toHaveLength(HOSTS.length);
  }, 90_000);

  it('hangs, the others lose nothing and wait for nothing, and it goes on when it runs again', async () => {
    const { cluster } = current;
    cluster.host('gamma').hang();
    await expectFlow(0, 1);
    await client.until('a comment', () => said(/node gamma: missing since/) !== undefined, MISSED_MS);
    await expectFlow(0, 1);
    cluster.host('gamma').resume();
    await client.until('another comment', () => said(/node gamma: back at/) !== undefined, MISSED_MS);
    await sendPackets((targets[2] as Target).namespace, { interface: 'eth0', count: 10, flow: 50 });
    await client.received(10, 50);
    await expectAllOf('alpha', 'beta');
  }, 90_000);

  it('is restarted, its packets are in the stream again', async () => {
    const host = current.cluster.host('beta');
    await host.stopService();
    await client.until('a comment', () => said(/node beta: missing since/) !== undefined, MISSED_MS);
    await host.startService();
    await client.until('another comment', () => said(/node beta: back at/) !== undefined, MISSED_MS);
    await sendPackets((targets[1] as Target).namespace, { interface: 'eth0', count: 10, flow: 50 });
    await client.received(10, 50);
    await expectAllOf('alpha', 'gamma');
  }, 90_000);

  it('is not in the name service any more, nothing new begins there, what runs goes on', async () => {
    const { cluster, gateway } = current;
    const addresses = cluster.hosts.map(({ address }) => address);
    await cluster.names.set(addresses.slice(0, 2));
    await nodesAnswer(gateway, HOSTS.length - 1, MISSED_MS);
    await using refused = await CaptureClient.open(gateway, { container: (targets[2] as Target).reference });
    expect((await refused.ended()).code).toBe(4502);
    await expectFlow(0, 1, 2);
    await cluster.names.set(addresses);
    await nodesAnswer(gateway, HOSTS.length, MISSED_MS);
    await expectAllOf(...HOSTS);
  }, 90_000);

  it('is not the only one, and the name service fails, all goes on', async () => {
    current.cluster.names.pause();
    try {
      await sleep(4_000);
      await expectFlow(0, 1, 2);
    } finally {
      current.cluster.names.resume();
    }
    await expectAllOf(...HOSTS);
    expect(said(/missing/)).toBeUndefined();
  });

  it('is added to the name service, what runs there joins the set', async () => {
    const { cluster, gateway } = current;
    const host = await cluster.addHost('delta');
    await cluster.names.set(cluster.hosts.map(({ address }) => address));
    await nodesAnswer(gateway, HOSTS.length + 1, MISSED_MS);
    const target = await host.addTarget('set-member');
    await client.described(nameOf(target));
    await sendPackets(target.namespace, { interface: 'eth0', count: 10, flow: 51 });
    await client.received(10, 51);
    await expectAllOf(...HOSTS);
    await cluster.names.set(cluster.hosts.slice(0, HOSTS.length).map(({ address }) => address));
  }, 90_000);
});
