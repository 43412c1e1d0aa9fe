import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../kit/capture-client.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { tsharkFields } from '../kit/second-opinion.js';
import { netnsOfThisProcess, serviceForAllTests } from '../kit/service.js';

const NANOSECONDS = 9;
const UNKNOWN_LENGTH = -1n;

describeAsRoot('A stream', () => {
  const service = serviceForAllTests();

  it('starts with the section header and interface descriptions before any packet arrives', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode });

    await client.described('eth0', 'eth1');

    expect(client.kinds.slice(0, 3)).toEqual(['section', 'interface', 'interface']);
    expect(client.packets).toEqual([]);
    expect(client.sectionLength).toBe(UNKNOWN_LENGTH);
    expect(client.interfaces.map(({ timestampResolution }) => timestampResolution)).toEqual([
      NANOSECONDS,
      NANOSECONDS,
    ]);
  });

  it('contains the attributes of the request and nothing else in its first comment', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const container = {
      netns: namespace.inode,
      pid: 0,
      starttime: 0,
      type: 'docker',
      'node-name': 'localhost',
      cluster: { context: 'kind', uid: 'abc-def' },
      'network-interfaces': ['eth1'],
    };
    await using client = await CaptureClient.open(service.current, {
      container,
      filter: 'tcp port 80',
      chaste: true,
    });
    await client.described('eth1');

    expect(client.comments[0]).toBe(
      [
        '---',
        '# capture target information',
        'container-name: ""',
        'container-type: docker',
        'node-name: localhost',
        'cluster:',
        '    uid: abc-def',
        'capture-filter: tcp port 80',
        'no-promiscuous-mode: true',
        '',
      ].join('\n'),
    );
  });

  it('omits unset attributes from its first comment', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');

    expect(client.comments[0]).toBe(
      '---\n# capture target information\ncontainer-name: ""\ncontainer-type: ""\nnode-name: ""\n',
    );
  });

  it('quotes values in its first comment where YAML requires it', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const container = { netns: namespace.inode, type: '123', 'node-name': 'a: b' };
    await using client = await CaptureClient.open(service.current, { container, nif: 'eth1' });
    await client.described('eth1');

    expect(client.comments[0]).toContain('\ncontainer-type: "123"\n');
    expect(client.comments[0]).toContain('\nnode-name: "a: b"\n');
  });

  it('contains statistics while packets arrive and none while no packets arrive', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');

    await sendPackets(namespace, { interface: 'eth0', count: 100 });
    await client.received(100);
    await client.until('statistics of 100 packets', () =>
      client.statistics.some((block) => block.received === 100n && block.droppedBySystem === 0n),
    );

    const before = client.statistics.length;
    await sleep(2_500);
    expect(client.statistics).toHaveLength(before);
    await sendPackets(namespace, { interface: 'eth0', count: 1 });
    await client.until('statistics of 101 packets', () => client.statistics.at(-1)?.received === 101n);
  });

  it('delivers single packets without delay', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');
    const delays: number[] = [];

    for (let count = 1; count <= 10; count += 1) {
      await sendPackets(namespace, { interface: 'eth0', count: 1 });
      await client.received(count);
      const now = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1_000)) * 1_000n;
      delays.push(Number(now - (client.packets.at(-1)?.timestamp ?? 0n)) / 1e6);
    }

    // The delay includes the end of the sender process, some tens of milliseconds. With dumpcap it would be 250 ms more.
    expect(delays.sort((a, b) => a - b)[4]).toBeLessThan(100);
  });

  it('never contains packets of its own connection', async () => {
    await using client = await CaptureClient.open(service.current, {
      netns: netnsOfThisProcess(),
      nif: 'lo',
    });
    await client.described('lo');
    const witness = createSocket('udp4');
    const port = 47_119;
    const fromWitness = () => client.packets.filter(({ data }) => data.includes('PFLX-witness')).length;

    for (let count = 1; count <= 20; count += 1) {
      witness.send('PFLX-witness', port, '127.0.0.1');
      await client.until('the witness', () => fromWitness() >= count);
    }
    witness.close();
    await once(witness, 'close');

    const { local, remote } = client.ports;
    const connections = await tsharkFields(client.stream, 'tcp.srcport', 'tcp.dstport');
    const own = connections.filter(([from, to]) => {
      const ports = [Number(from), Number(to)];
      return ports.includes(local) && ports.includes(remote);
    });
    expect(connections.length).toBeGreaterThanOrEqual(20);
    expect(own).toEqual([]);
  });

  it('lists the excluded connection in its second comment', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');

    const { local, remote } = client.ports;
    expect(client.comments).toHaveLength(2);
    expect(client.comments[1]).toContain(`127.0.0.1:${local}`);
    expect(client.comments[1]).toContain(`127.0.0.1:${remote}`);
  });
});
