import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_INVALID_REQUEST } from '../kit/close-codes.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

const WANTED = { flow: 1, udpPort: 4711, count: 50 };
const UNWANTED = { flow: 2, udpPort: 9, count: 50 };

describeAsRoot('A capture filter', () => {
  const service = serviceForAllTests();

  it('applies to each interface and is part of its description', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await namespace.addWire('wan0', 'wan1');
    const filter = 'udp port 4711';
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'eth1/wan1',
      filter,
    });
    await client.described('eth1', 'wan1');

    for (const name of ['eth0', 'wan0']) {
      await sendPackets(namespace, { interface: name, ...UNWANTED });
      await sendPackets(namespace, { interface: name, ...WANTED });
    }
    await client.received(2 * WANTED.count, WANTED.flow);

    expect(client.packetCounts).toEqual(
      new Map([
        ['eth1', WANTED.count],
        ['wan1', WANTED.count],
      ]),
    );
    expect(client.interfaces.map((description) => description.filter)).toEqual([filter, filter]);
  });

  it('applies to interfaces of different link types', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await namespace.exec('ip', 'tuntap', 'add', 'tun0', 'mode', 'tun');
    await namespace.setUp('tun0');
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'tun0/eth1',
      filter: 'udp port 4711',
    });
    await client.described('tun0', 'eth1');

    for (const where of [{ interface: 'eth0' }, { interface: 'tun0', tun: true }]) {
      await sendPackets(namespace, { ...where, ...UNWANTED });
      await sendPackets(namespace, { ...where, ...WANTED });
    }
    await client.received(2 * WANTED.count, WANTED.flow);

    expect(client.packetCounts).toEqual(
      new Map([
        ['eth1', WANTED.count],
        ['tun0', WANTED.count],
      ]),
    );
  });

  it('applies to an interface that joins later', async () => {
    await using namespace = await NetworkNamespace.create();
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      filter: 'udp port 4711',
    });
    await client.until('the section header block', () => client.sectionLength !== undefined);
    await namespace.addWire('eth0', 'eth1');
    await client.described('eth1');

    await sendPackets(namespace, { interface: 'eth0', ...UNWANTED });
    await sendPackets(namespace, { interface: 'eth0', ...WANTED });
    await client.until('packets from eth1', () => client.packetCounts.get('eth1') === WANTED.count);

    expect(client.tagged(UNWANTED.flow)).toEqual([]);
  });

  it.each([
    ['received', 'eth1', 'vlan 7'],
    ['sent', 'eth0', 'vlan 7'],
    ['received', 'eth1', 'vlan 7 and udp port 4711'],
    ['received', 'eth1', 'udp port 4711 or (vlan 7 and udp port 4711)'],
  ])('matches the VLAN tag of packets that are %s: on %s, %j', async (_, captured, filter) => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: captured,
      filter,
    });
    await client.described(captured);

    await sendPackets(namespace, { interface: 'eth0', ...UNWANTED, vlans: [0, 8] });
    await sendPackets(namespace, { interface: 'eth0', ...WANTED, vlans: [7] });
    await client.received(WANTED.count, WANTED.flow);

    expect(client.packets).toHaveLength(WANTED.count);
    const ethertypes = client.packets.map(({ data }) => data.subarray(12, 18).toString('hex'));
    expect([...new Set(ethertypes)]).toEqual(['810000070800']);
  });

  it('compiles within the time limit when twenty clients connect at once', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const request = { netns: namespace.inode, nif: 'eth1', filter: 'udp' };
    await using clients = new AsyncDisposableStack();

    const opened = await Promise.all(
      Array.from({ length: 20 }, () => CaptureClient.open(service.current, request)),
    );
    opened.forEach((client) => clients.use(client));

    await Promise.all(opened.map((client) => client.described('eth1')));
  });

  it('is compiled before the filters of another client that has asked for twenty expensive ones', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const request = { netns: namespace.inode, nif: 'eth1' };
    const ranges = Array.from({ length: 150 }, (_, from) => `portrange ${from}-${from + 1_000}`).join(
      ' and ',
    );
    const endless = await Promise.all(
      Array.from({ length: 20 }, (_, number) =>
        CaptureClient.open(service.current, { ...request, filter: `${ranges} or port ${number + 1}` }),
      ),
    );

    await using client = await CaptureClient.open(
      service.current,
      { ...request, filter: 'udp or icmp' },
      { localAddress: '127.0.0.2' },
    );
    await client.until('the interface', () => client.interfaceNames.includes('eth1'), 30_000);
    const stillCompiling = endless.filter(({ closing }) => closing === undefined);
    expect(stillCompiling.length).toBeGreaterThanOrEqual(8);
    for (const each of endless) expect((await each.ended(30_000)).code).toBe(CLOSE_INVALID_REQUEST);
  }, 60_000);

  it('is not part of the descriptions when it is empty', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, filter: '' });
    await client.described('eth0', 'eth1');

    expect(client.interfaces.map(({ filter }) => filter)).toEqual([undefined, undefined]);
  });

  it.each([
    ['a syntax error', 'udp prot 53', /syntax error/],
    ['an unknown port name', 'port nonsense-port', /nonsense-port/],
    ['a filter that no packet can match', 'tcp and udp', /rejects all packets/],
    ['more than 4 KiB', 'udp or '.repeat(700) + 'udp', /4096|4 ?Ki?B|long/],
  ])('that is invalid is refused with the message of the compiler: %s', async (_, filter, message) => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, filter });

    const { code, reason } = await client.ended();

    expect(code).toBe(CLOSE_INVALID_REQUEST);
    expect(reason).toMatch(/filter/);
    expect(reason).toMatch(message);
    expect(Buffer.byteLength(reason)).toBeLessThanOrEqual(123);
  });
});
