import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_BIG_MESSAGE, CLOSE_SHUTTING_DOWN } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender, sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { readWithWireshark } from '../kit/second-opinion.js';
import { Service, serviceForAllTests } from '../kit/service.js';

const ANSWER_TIMEOUT_MS = 1_000;
const RATE_PER_SECOND = 10_000;

describeAsRoot('When the client closes', () => {
  const service = serviceForAllTests();

  it.each([
    [1000, 'ciao'],
    [1001, 'leaving'],
    [4711, ''],
  ])('with %d, the service answers at once with the same code', async (code, reason) => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');
    const start = performance.now();

    const answer = await client.close(code, reason);

    expect(answer.code).toBe(code);
    expect(performance.now() - start).toBeLessThan(ANSWER_TIMEOUT_MS);
  });

  it('under load, the service answers at once, too', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');
    await using load = await PacketSender.start(namespace, {
      interface: 'eth0',
      ratePerSecond: RATE_PER_SECOND,
    });
    await client.received(1_000);
    const start = performance.now();

    const answer = await client.close();

    expect(answer.code).toBe(1000);
    expect(performance.now() - start).toBeLessThan(2 * ANSWER_TIMEOUT_MS);
    expect(await load.stop()).toBeGreaterThan(1_000);
  });

  it('before the capture has started, nothing of it is left', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const clients = await Promise.all(
      Array.from({ length: 5 }, () => CaptureClient.open(service.current, { netns: namespace.inode })),
    );

    clients.forEach((client, index) => (index % 2 ? client.abort() : void client.close()));

    await Promise.all(clients.map((client) => client.ended()));
    await eventually('the end of all captures', async () => (await namespace.promiscuity('eth1')) === 0);
  });

  it('no process that was started during the capture keeps any part of it', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const request = { netns: namespace.inode, nif: 'eth1' };
    await using client = await CaptureClient.open(service.current, request);
    await client.described('eth1');
    // Each filter is compiled in a separate process, and another such process is started in advance.
    for (let count = 0; count < 4; count += 1) {
      await using filtered = await CaptureClient.open(service.current, { ...request, filter: 'udp' });
      await filtered.described('eth1');
    }

    await client.close();

    await eventually('the end of all captures', async () => (await namespace.promiscuity('eth1')) === 0);
    expect(await namespace.exec('cat', '/proc/net/packet')).toMatch(/^sk .*\n$/);
  });

  it('without a close frame, the capture ends as well', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');
    await eventually('promiscuous mode', async () => (await namespace.promiscuity('eth1')) === 1);

    client.abort();

    await eventually('the end of promiscuous mode', async () => (await namespace.promiscuity('eth1')) === 0);
  });

  it('small messages that it has sent before are ignored', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');

    client.send('hello');
    client.send(Buffer.alloc(1_024));
    await sendPackets(namespace, { interface: 'eth0', count: 10 });

    await client.received(10);
  });
});

describeAsRoot('The service closes', () => {
  const service = serviceForAllTests();

  it('with 1009 when the client sends a message above the limit', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');

    client.send(Buffer.alloc(1_025));

    expect((await client.ended()).code).toBe(CLOSE_BIG_MESSAGE);
  });

  it('with 1001 when it shuts down under load, after complete blocks and the last statistics', async () => {
    await using ending = await Service.start();
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await namespace.addWire('wan0', 'wan1');
    const request = { netns: namespace.inode, nif: 'eth1/wan1' };
    const clients = await Promise.all([
      CaptureClient.open(ending, request),
      CaptureClient.open(ending, request),
    ]);
    await Promise.all(clients.map((client) => client.described('eth1', 'wan1')));
    await using load = await PacketSender.start(namespace, {
      interface: 'eth0',
      ratePerSecond: RATE_PER_SECOND,
    });
    await Promise.all(clients.map((client) => client.received(1_000)));

    const status = await ending.stop();

    await load.stop();
    expect(status).toBe(0);
    for (const client of clients) {
      const { code, reason } = await client.ended();
      expect(code).toBe(CLOSE_SHUTTING_DOWN);
      expect(reason).not.toBe('');
      expect(client.kinds.slice(-2)).toEqual(['statistics', 'statistics']);
      const last = client.statistics.findLast((block) => block.interface.name === 'eth1');
      const delivered = client.packetCounts.get('eth1') ?? 0;
      const announced = Number((last?.received ?? 0n) - (last?.droppedBySystem ?? 0n));
      expect(announced).toBeGreaterThanOrEqual(delivered);
      expect(announced - delivered).toBeLessThan(RATE_PER_SECOND);
      await readWithWireshark(client.stream);
    }
    await eventually('the end of all captures', async () => (await namespace.promiscuity('eth1')) === 0);
  });
});
