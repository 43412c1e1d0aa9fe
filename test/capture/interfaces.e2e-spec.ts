import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_INVALID_REQUEST, CLOSE_NOT_FOUND } from '../kit/close-codes.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets, tagOf } from '../kit/packets.js';
import { describeAsRoot, itWithLinkType } from '../kit/root.js';
import { readWithWireshark, Recording } from '../kit/second-opinion.js';
import { serviceForAllTests } from '../kit/service.js';

/** See https://www.tcpdump.org/linktypes.html; the LINKTYPE_ values in files can differ from the DLT_ values of libpcap. */
const LINKTYPE_ETHERNET = 1;
const LINKTYPE_RAW = 101;

describeAsRoot('The interfaces of a capture', () => {
  const service = serviceForAllTests();

  it('keep their names when there are several', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await namespace.addWire('wan0', 'wan1');
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'eth1/wan1',
    });
    await client.described('eth1', 'wan1');

    await Promise.all([
      sendPackets(namespace, { interface: 'eth0', count: 1_000, flow: 1 }),
      sendPackets(namespace, { interface: 'wan0', count: 1_000, flow: 2 }),
    ]);
    await client.received(1_000, 1);
    await client.received(1_000, 2);

    expect([...client.interfaceNames].sort()).toEqual(['eth1', 'wan1']);
    expect(namesOf(client, 1)).toEqual(['eth1']);
    expect(namesOf(client, 2)).toEqual(['wan1']);
    expect(await readWithWireshark(client.stream)).toEqual({ packets: 2_000, interfaces: 2 });
  });

  it.each([
    ['no nif', undefined],
    ['nif=any', 'any'],
    ['nif=all', 'all'],
    ['an empty nif', ''],
  ])('are all those of the namespace, each under its own name, with %s', async (_, nif) => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await namespace.setUp('lo');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif });
    await client.described('lo', 'eth0', 'eth1');

    await sendPackets(namespace, { interface: 'eth0', count: 10, flow: 1 });
    await client.received(20, 1);

    expect([...client.interfaceNames].sort()).toEqual(['eth0', 'eth1', 'lo']);
    expect(namesOf(client, 1).sort()).toEqual(['eth0', 'eth1']);
  });

  it('may include lo, where each packet is captured once', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.setUp('lo');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'lo' });
    await client.described('lo');

    await sendPackets(namespace, { interface: 'lo', count: 100, flow: 1 });
    await sendPackets(namespace, { interface: 'lo', count: 1, flow: 2 });
    await client.received(1, 2);

    expect(client.sequences(1)).toEqual([...Array(100).keys()]);
    expect(client.interfaces[0]?.linkType).toBe(LINKTYPE_ETHERNET);
  });

  it('are the existing ones when some of the requested ones are missing', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'missing0/eth1/missing1',
    });
    await client.described('eth1');

    await sendPackets(namespace, { interface: 'eth0', count: 10 });

    await client.received(10);
  });

  it('are refused with their names when none of the requested ones exists', async () => {
    await using namespace = await NetworkNamespace.create();
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'missing0/missing1',
    });

    const { code, reason } = await client.ended();

    expect(code).toBe(CLOSE_NOT_FOUND);
    expect(reason).toMatch(/missing0.*missing1/);
  });

  it('are captured once when they are requested twice', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'eth1/eth0/eth1',
    });
    await client.described('eth0', 'eth1');

    await sendPackets(namespace, { interface: 'eth0', count: 10 });
    await sendPackets(namespace, { interface: 'eth0', count: 1, flow: 1 });
    await client.received(2, 1);

    expect([...client.interfaceNames].sort()).toEqual(['eth0', 'eth1']);
    expect(client.sequences(0)).toHaveLength(20);
  });

  it('may have commas and non-ASCII letters in their names', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('a,b', 'büro1');
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'a,b/büro1',
    });

    await client.described('a,b', 'büro1');
  });

  it.each([
    'TCP@127.0.0.1:9',
    'rpcap:',
    'rpcap0',
    'nflog',
    'nflog7',
    'nfqueue',
    'usbmon0',
    'bluetooth0',
    'dbus-system',
    'eth1:1',
    'eth 1',
    '-i',
    '.',
    '..',
    '4711',
    'longer-than-15-b',
    'line\nbreak',
    'nul\0byte',
  ])('are all refused when one of them is named %j', async (name) => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: `eth1/${name}`,
    });

    const { code, reason } = await client.ended();

    expect(code).toBe(CLOSE_INVALID_REQUEST);
    expect(reason).toMatch(/nif/);
  });

  it.each(['usbmon0', 'nflog7', '4711'])(
    'include one that is called %s, when all are requested',
    async (name) => {
      await using namespace = await NetworkNamespace.create();
      await namespace.addWire('eth0', 'eth1');
      await namespace.link(`set eth1 down`);
      await namespace.link(`set eth1 name ${name} up`);
      await using all = await CaptureClient.open(service.current, { netns: namespace.inode });
      await all.described('eth0', name);

      await sendPackets(namespace, { interface: 'eth0', count: 10 });
      await all.received(20);

      expect(Object.fromEntries(all.packetCounts)).toEqual({ eth0: 10, [name]: 10 });
    },
  );

  it('have their own link types, such as tun next to Ethernet', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await namespace.exec('ip', 'tuntap', 'add', 'tun0', 'mode', 'tun');
    await namespace.setUp('tun0');
    await using recording = await Recording.start(namespace, 'tun0', 500);
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'tun0/eth1',
    });
    await client.described('tun0', 'eth1');

    await sendPackets(namespace, { interface: 'tun0', tun: true, count: 500, flow: 1 });
    await sendPackets(namespace, { interface: 'eth0', count: 500, flow: 2 });
    await client.received(500, 1);
    await client.received(500, 2);

    const linkTypes = client.interfaces.map(({ name, linkType }) => [name, linkType]);
    expect(linkTypes.sort()).toEqual([
      ['eth1', LINKTYPE_ETHERNET],
      ['tun0', LINKTYPE_RAW],
    ]);
    const recorded = await recording.packets();
    expect(client.tagged(1).map(({ data }) => data)).toEqual(recorded.map(({ data }) => data));
    expect(await readWithWireshark(client.stream)).toEqual({ packets: 1_000, interfaces: 2 });
  });

  itWithLinkType('ipip', 'have the link type of raw IP when they are IP tunnels', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.link('add tunnel0 type ipip local 192.0.2.1 remote 192.0.2.2');
    await namespace.setUp('tunnel0');
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'tunnel0',
    });
    await client.described('tunnel0');

    expect(client.interfaces[0]?.linkType).toBe(LINKTYPE_RAW);
  });

  itWithLinkType('vlan', 'may include a VLAN interface, whose packets have no tag', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await namespace.link('add link eth1 name eth1.7 type vlan id 7');
    await namespace.setUp('eth1.7');
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'eth1.7',
    });
    await client.described('eth1.7');

    await sendPackets(namespace, { interface: 'eth0', count: 10, sizes: [100], vlans: [7] });
    await client.received(10);

    expect(client.tagged().map(({ data }) => data.length)).toEqual(Array(10).fill(96));
  });

  it('may include a bridge and its ports', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'port0');
    await namespace.link('add br0 type bridge');
    await namespace.link('set port0 master br0');
    await namespace.setUp('br0');
    await using client = await CaptureClient.open(service.current, {
      netns: namespace.inode,
      nif: 'br0/port0',
    });
    await client.described('br0', 'port0');

    await sendPackets(namespace, { interface: 'eth0', count: 10 });
    await client.received(20);

    const sources = client.tagged().map((packet) => packet.interface.name ?? '');
    expect(sources.sort()).toEqual([...Array<string>(10).fill('br0'), ...Array<string>(10).fill('port0')]);
    expect(client.disorder).toBe(0);
  });
});

/** Names of the interfaces from which packets of this flow were captured. */
function namesOf(client: CaptureClient, flow: number): string[] {
  const packets = client.packets.filter(({ data }) => tagOf(data)?.flow === flow);
  return [...new Set(packets.map((packet) => packet.interface.name ?? ''))];
}
