import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { eventually } from './eventually.js';
import {
  namespaceOfDescriptor,
  namespaceOfPrivateMount,
  namespaceOfProcess,
  namespaceOfThread,
} from './namespace-holders.js';
import { NetworkNamespace } from './namespace.js';
import { sendPackets, tagOf } from './packets.js';
import { type Block, PcapngError, PcapngReader, readPcapng } from './pcapng.js';
import { processTree } from './processes.js';
import { describeAsRoot } from './root.js';
import { Recording } from './second-opinion.js';
import { netnsOfThisProcess } from './service.js';

describeAsRoot('The test kit makes namespaces that are kept alive', () => {
  it.each([
    ['by a bind mount', () => NetworkNamespace.create()],
    ['by a process', namespaceOfProcess],
    ['only by a thread', namespaceOfThread],
    ['only by a bind mount in another mount namespace', namespaceOfPrivateMount],
    ['only by a descriptor', namespaceOfDescriptor],
  ])('%s and end with it', async (_, make) => {
    const namespace = await make();
    const { path } = namespace;
    expect(statSync(path).ino).toBe(namespace.inode);
    expect(namespace.inode).not.toBe(netnsOfThisProcess());
    await namespace.addWire('eth0', 'eth1');
    expect(await namespace.exec('ip', '-br', 'link')).toMatch(/eth1@eth0/);

    await namespace.end();

    await eventually('the removal of the path', () => !existsSync(path));
  });
});

describeAsRoot('The test kit sends packets', () => {
  it('of all sizes, with and without VLAN tag, once and in order, as dumpcap confirms', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const count = 2_000;
    await using recording = await Recording.start(namespace, 'eth1', count);

    await sendPackets(namespace, { interface: 'eth0', count, sizes: [60, 1514, 9000], vlans: [0, 7] });

    const packets = await recording.packets();
    expect(packets.map(({ data }) => tagOf(data)?.sequence)).toEqual([...Array(count).keys()]);
    expect(packets.slice(0, 6).map(({ data }) => data.length)).toEqual([60, 1514, 9000, 60, 1514, 9000]);
    expect(packets[3]?.data.subarray(12, 18).toString('hex')).toBe('810000070800');
  });

  it('into a tun interface, without a link-layer header', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.exec('ip', 'tuntap', 'add', 'tun0', 'mode', 'tun');
    await namespace.setUp('tun0');
    await using recording = await Recording.start(namespace, 'tun0', 10);

    await sendPackets(namespace, { interface: 'tun0', tun: true, count: 10 });

    const packets = await recording.packets();
    expect(packets.map(({ data }) => data[0])).toEqual(Array(10).fill(0x45));
  });
});

describe('The strict pcapng reader', () => {
  const section = block(0x0a0d0d0a, '4d3c2b1a', '01000000', 'ffffffffffffffff');
  const ethernet = block(1, '01000000', '00000400');
  const packet = block(6, '00000000', '00000000', '01000000', '02000000', '02000000', 'abcd0000');

  it('reads a stream that arrives byte by byte', () => {
    const stream = Buffer.concat([section, ethernet, packet]);
    const reader = new PcapngReader();
    const blocks: Block[] = [];
    for (const byte of stream) {
      blocks.push(...reader.push(Buffer.from([byte])));
    }
    reader.end();
    expect(blocks.map(({ kind }) => kind)).toEqual(['section', 'interface', 'packet']);
    expect(blocks[2]).toMatchObject({
      data: Buffer.from('abcd', 'hex'),
      timestamp: 1000n,
      originalLength: 2,
    });
  });

  it.each([
    ['a stream without a section header', ethernet],
    ['a second section header', Buffer.concat([section, section])],
    ['a truncated block', Buffer.concat([section, ethernet.subarray(0, 12)])],
    ['an unknown block', Buffer.concat([section, block(99)])],
    ['a packet of an undescribed interface', Buffer.concat([section, packet])],
    [
      'a block whose two lengths differ',
      Buffer.concat([section, ethernet.subarray(0, 16), Buffer.from('18000000', 'hex')]),
    ],
    ['padding that is not 0', packetWith('abcd0001')],
    ['a captured length above the original length', packetWith('abcd0000', '01000000')],
    ['options without opt_endofopt', packetWith('abcd0000' + '01000100' + '61000000')],
    ['text that is not UTF-8', packetWith('abcd0000' + '01000100' + 'ff000000' + '00000000')],
  ])('refuses %s', (_, stream) => {
    expect(() => readPcapng(stream)).toThrow(PcapngError);
  });

  function block(type: number, ...fields: readonly string[]): Buffer {
    const body = Buffer.from(fields.join(''), 'hex');
    const bytes = Buffer.alloc(12 + body.length);
    bytes.writeUInt32LE(type, 0);
    bytes.writeUInt32LE(bytes.length, 4);
    body.copy(bytes, 8);
    bytes.writeUInt32LE(bytes.length, bytes.length - 4);
    return bytes;
  }

  function packetWith(data: string, originalLength = '02000000'): Buffer {
    const fields = ['00000000', '00000000', '01000000', '02000000', originalLength, data];
    return Buffer.concat([section, ethernet, block(6, ...fields)]);
  }
});

describe('The descriptor count', () => {
  it('includes a newly opened descriptor', () => {
    const count = () => processTree(process.pid)[0]?.descriptors.length ?? NaN;
    const before = count();
    const descriptor = openSync('/dev/null', 'r');
    expect(count()).toBe(before + 1);
    closeSync(descriptor);
  });
});
