import { CaptureClient } from '../kit/capture-client.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { readWithWireshark, tsharkFields } from '../kit/second-opinion.js';
import { serviceForAllTests } from '../kit/service.js';

const SIZES = [60, 95, 96, 97, 1_400, 9_014];
const COUNT = 60;

/** Captured lengths of packets of these sizes. */
const cutTo = (snapshotLength: number, sizes: readonly number[] = SIZES): number[] =>
  Array.from({ length: COUNT }, (_, index) => Math.min(snapshotLength, sizes[index % sizes.length]!));
const sizesOf = (sizes: readonly number[] = SIZES): number[] => cutTo(Infinity, sizes);

describeAsRoot('The snapshot length of a capture', () => {
  const service = serviceForAllTests();

  async function capture(
    namespace: NetworkNamespace,
    parameters: { snaplen: number; filter?: string },
    headers?: Record<string, string>,
  ): Promise<CaptureClient> {
    const request = { netns: namespace.inode, nif: 'eth1', ...parameters };
    const client = await CaptureClient.open(service.current, request, { headers });
    await client.described('eth1');
    return client;
  }

  it.each([1, 14, 96, 97, 262_144])(
    'truncates packets to %i bytes and keeps their original lengths',
    async (snaplen) => {
      await using namespace = await NetworkNamespace.create();
      await namespace.addWire('eth0', 'eth1');
      await using client = await capture(namespace, { snaplen });

      await sendPackets(namespace, { interface: 'eth0', count: COUNT, sizes: SIZES });
      await client.until('all packets', () => client.packets.length === COUNT);

      expect(client.interfaces[0]?.snapshotLength).toBe(snaplen);
      expect(client.packets.map(({ data }) => data.length)).toEqual(cutTo(snaplen));
      expect(client.packets.map(({ originalLength }) => originalLength)).toEqual(sizesOf());
      expect((await readWithWireshark(client.stream)).packets).toBe(COUNT);
      expect(await tsharkFields(client.stream, 'frame.cap_len', 'frame.len')).toEqual(
        sizesOf().map((size) => [String(Math.min(snaplen, size)), String(size)]),
      );
    },
  );

  it('is taken from the header when the query has a different one', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await capture(namespace, { snaplen: 1_000 }, { 'Clustershark-Snaplen': '96' });
    await sendPackets(namespace, { interface: 'eth0', count: COUNT, sizes: SIZES });
    await client.until('all packets', () => client.packets.length === COUNT);
    expect(client.packets.map(({ data }) => data.length)).toEqual(cutTo(96));
  });

  it.each([
    ['a filter that runs in the kernel', 'udp port 4711 and ether[2000:4] != 0'],
    ['a filter that runs after the VLAN tag is restored', 'vlan 7 and udp port 4711 and ether[2000:4] != 0'],
  ])('does not affect %s, which can access the whole packet', async (_, filter) => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await capture(namespace, { snaplen: 60, filter });
    const spec = { interface: 'eth0', sizes: [4_000], vlans: [7], count: COUNT };

    await sendPackets(namespace, {
      ...spec,
      ...(filter.startsWith('vlan') ? {} : { vlans: [0] }),
      udpPort: 9,
    });
    await sendPackets(namespace, {
      ...spec,
      ...(filter.startsWith('vlan') ? {} : { vlans: [0] }),
      udpPort: 4711,
      flow: 1,
    });
    await client.until('all packets', () => client.sequences(1).length === COUNT);

    expect(client.packets).toHaveLength(COUNT);
    expect(client.packets.map(({ data }) => data.length)).toEqual(cutTo(60, [4_000]));
    expect(client.packets.map(({ originalLength }) => originalLength)).toEqual(sizesOf([4_000]));
  });

  it('includes the VLAN tag, which the kernel strips from the packet', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await capture(namespace, { snaplen: 96 });
    const sizes = [95, 96, 97, 101, 1_400];
    await sendPackets(namespace, { interface: 'eth0', count: COUNT, sizes, vlans: [7] });
    await client.until('all packets', () => client.packets.length === COUNT);
    expect(client.packets.map(({ data }) => data.length)).toEqual(cutTo(96, sizes));
    expect(client.packets.map(({ originalLength }) => originalLength)).toEqual(sizesOf(sizes));
    expect(new Set((await tsharkFields(client.stream, 'vlan.id')).flat())).toEqual(new Set(['7']));
  });

  it('applies to interfaces of all link types and to those that join later', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.exec('ip', 'tuntap', 'add', 'tun0', 'mode', 'tun');
    await namespace.setUp('tun0');
    const request = { netns: namespace.inode, snaplen: 50, filter: 'udp port 4711' };
    await using client = await CaptureClient.open(service.current, request);
    await client.described('tun0');
    await namespace.addWire('eth0', 'eth1');
    await client.described('eth1');

    const spec = { count: COUNT, sizes: SIZES.slice(0, 5), udpPort: 4711 };
    await sendPackets(namespace, { ...spec, interface: 'tun0', tun: true });
    await sendPackets(namespace, { ...spec, interface: 'eth0' });
    const lengthsOf = (name: string): number[] =>
      client.packets.filter((packet) => packet.interface.name === name).map(({ data }) => data.length);
    await client.until(
      'all packets',
      () => lengthsOf('tun0').length + lengthsOf('eth1').length === 2 * COUNT,
    );

    expect(client.interfaces.map(({ snapshotLength }) => snapshotLength)).toContain(50);
    expect(new Set(client.interfaces.map(({ snapshotLength }) => snapshotLength))).toEqual(new Set([50]));
    expect(lengthsOf('tun0')).toEqual(cutTo(50, spec.sizes));
    expect(lengthsOf('eth1')).toEqual(cutTo(50, spec.sizes));
  });
});

describeAsRoot('The maximum snapshot length of a service', () => {
  const service = serviceForAllTests(['--max-snaplen', '64']);

  it.each([
    ['no snapshot length', {}, 64],
    ['a greater one', { snaplen: 65 }, 64],
    ['a smaller one', { snaplen: 63 }, 63],
  ])('applies to requests with %s', async (_, parameters, expected) => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const request = { netns: namespace.inode, nif: 'eth1', ...parameters };
    await using client = await CaptureClient.open(service.current, request);
    await client.described('eth1');
    await sendPackets(namespace, { interface: 'eth0', count: COUNT, sizes: SIZES });
    await client.until('all packets', () => client.packets.length === COUNT);
    expect(client.interfaces[0]?.snapshotLength).toBe(expected);
    expect(client.packets.map(({ data }) => data.length)).toEqual(cutTo(expected));
  });
});
