import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_ENDED } from '../kit/close-codes.js';
import {
  namespaceOfDescriptor,
  namespaceOfPrivateMount,
  namespaceOfProcess,
  namespaceOfThread,
} from '../kit/namespace-holders.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender, sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

const PROBE_FLOW = 99;
const END_TIMEOUT_MS = 3_000;
/** Longer than the service may take to detect the end of a namespace. */
const BEYOND_END_TIMEOUT_MS = 4_000;

describeAsRoot('An interface', () => {
  const service = serviceForAllTests();

  it('that is down at the start joins the capture when it is up', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1', { up: false });
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.until('the section header block', () => client.sectionLength !== undefined);

    await namespace.setUp('eth0', 'eth1');

    await joined(namespace, 'eth0', client, 'eth1');
  });

  it('that does not exist at the start joins when it is created', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'eth1/later1',
    });
    await client.described('eth1');

    await namespace.addWire('later0', 'later1');

    await joined(namespace, 'later0', client, 'later1');
    expect(client.interfaceNames).not.toContain('later0');
  });

  it('joins even when the kernel has dropped notifications for a busy engine', async () => {
    await using namespace = await NetworkNamespace.create();
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode });
    await client.until('the section header block', () => client.sectionLength !== undefined);
    const engines = service.current
      .processes()
      .filter(({ command }) => command.startsWith('packetflix: engine'));
    expect(engines).not.toHaveLength(0);

    for (const round of ['a', 'b']) {
      for (const { pid } of engines) process.kill(pid, 'SIGSTOP');
      try {
        // All by one ip(8): the supervisor replaces an engine that does not answer for 4 s.
        const adds = Array.from(
          { length: 100 },
          (_, number) => `link add ${round}${number} type veth peer name peer-${round}${number}`,
        );
        await namespace.exec('sh', '-c', `echo "${adds.join('\n')}" | ip -batch -`);
        await namespace.addWire(`${round}-last0`, `${round}-last1`);
      } finally {
        for (const { pid } of engines) process.kill(pid, 'SIGCONT');
      }
      await joined(namespace, `${round}-last0`, client, `${round}-last1`);
    }
  }, 30_000);

  it('that is created while all interfaces are captured joins as soon as it is up', async () => {
    await using namespace = await NetworkNamespace.create();
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode });
    await client.until('the section header block', () => client.sectionLength !== undefined);

    await namespace.addWire('eth0', 'eth1');
    await joined(namespace, 'eth0', client, 'eth1');
    await namespace.addWire('wan0', 'wan1', { up: false });
    await namespace.setUp('wan0', 'wan1');
    await joined(namespace, 'wan0', client, 'wan1');
  });

  it('that is removed leaves with its last statistics, and the others stay', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await namespace.addWire('wan0', 'wan1');
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'eth1/wan1',
    });
    await client.described('eth1', 'wan1');
    await sendPackets(namespace, { interface: 'eth0', count: 10, flow: 1 });
    await client.received(10, 1);

    await namespace.link('delete eth1');

    await client.until('statistics of eth1', () =>
      client.statistics.some((block) => block.interface.name === 'eth1' && block.received === 10n),
    );
    await joined(namespace, 'wan0', client, 'wan1');
  });

  it('that is the only one does not end the capture when it is removed, and joins again when it is back', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');
    await namespace.link('delete eth1');

    await namespace.addWire('eth0', 'eth1');

    await joined(namespace, 'eth0', client, 'eth1');
  });

  it('that goes down and up again is captured again', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');
    await sendPackets(namespace, { interface: 'eth0', count: 10, flow: 1 });
    await client.received(10, 1);

    await namespace.link('set eth1 down');
    await namespace.link('set eth1 up');

    await joined(namespace, 'eth0', client, 'eth1');
    expect(client.sequences(1)).toHaveLength(10);
  });

  it('that is renamed joins when it gets a requested name', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'eth0/renamed1',
    });
    await client.described('eth0');

    await namespace.link('set eth1 down');
    await namespace.link('set eth1 name renamed1');
    await namespace.link('set renamed1 up');

    await joined(namespace, 'eth0', client, 'renamed1');
  });
});

describeAsRoot('The end of a namespace ends the capture with 1000 and a reason', () => {
  const service = serviceForAllTests();

  it.each([
    ['a process', namespaceOfProcess],
    ['a thread', namespaceOfThread],
    ['a bind mount', () => NetworkNamespace.create()],
    ['a bind mount in another mount namespace', namespaceOfPrivateMount],
    ['a descriptor', namespaceOfDescriptor],
  ])('when it was kept alive by %s', async (_, make) => {
    await using namespace = await make();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode });
    await client.described('eth0', 'eth1');
    await sendPackets(namespace, { interface: 'eth0', count: 10 });
    await client.received(20);
    const start = performance.now();

    await namespace.end();

    const { code, reason } = await client.ended();
    expect(performance.now() - start).toBeLessThan(END_TIMEOUT_MS);
    expect(code).toBe(CLOSE_ENDED);
    expect(reason).not.toBe('');
    const last = client.statistics.filter(({ interface: { name } }) => name === 'eth1').at(-1);
    expect(last).toMatchObject({ received: 10n, droppedBySystem: 0n });
  });

  it('but not before everything that keeps it alive has ended', async () => {
    await using namespace = await namespaceOfProcess();
    await namespace.addWire('eth0', 'eth1');
    await using heir = await namespace.start('sleep', 'infinity');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');
    await using inherited = await NetworkNamespace.heldBy({
      path: `/proc/${heir.pid}/ns/net`,
      release: () => heir[Symbol.asyncDispose](),
    });

    await namespace.end();
    await sleep(BEYOND_END_TIMEOUT_MS);

    await joined(inherited, 'eth0', client, 'eth1');
    await inherited.end();
    expect((await client.ended()).code).toBe(CLOSE_ENDED);
  });
});

/** Waits until packets of the interface are captured, then expects that none is lost. */
async function joined(
  namespace: NetworkNamespace,
  sendTo: string,
  client: CaptureClient,
  captured: string,
): Promise<void> {
  await using probe = await PacketSender.start(namespace, {
    interface: sendTo,
    flow: PROBE_FLOW,
    ratePerSecond: 50,
  });
  await client.receivedFrom(captured, PROBE_FLOW);
  await probe.stop();
  const flow = 1_000 + client.packets.length;
  await sendPackets(namespace, { interface: sendTo, count: 200, flow });
  const fromIt = () => client.tagged(flow).filter((packet) => packet.interface.name === captured).length;
  await client.until(`200 packets from ${captured}`, () => fromIt() >= 200);
  expect(fromIt()).toBe(200);
}
