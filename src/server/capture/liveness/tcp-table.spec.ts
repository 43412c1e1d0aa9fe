import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { once } from 'node:events';
import { TcpTable, kernelNotation } from './tcp-table.js';

/** As the kernel of an x86 machine prints them. */
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:8397 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 696820 1 000000009c2ffc4c 100 0 0 10 0
   1: 0109090A:1E61 0209090A:8138 01 00000008:00000000 01:0000000A 00000003     0        0 12 1 000000000d6a8fb4 100 0 0 10 0
   2: 0109090A:1E61 0209090A:8139 01 00096FB0:00000000 04:00000A04 00000000     0        2 13 1 000000000d6a8fb4 100 0 0 10 0
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0000000000000000FFFF00000109090A:1E61 0000000000000000FFFF00000209090A:EBE6 01 003FDA90:00000000 01:00000000 00000000     0        0 14 1 0 20 4 1 10 -1
`;
const local = { localAddress: '10.9.9.1', localPort: 7777, remoteAddress: '10.9.9.2' };

describe('TcpTable', () => {
  const mapped = { localAddress: '::ffff:10.9.9.1', localPort: 7777, remoteAddress: '::ffff:10.9.9.2' };
  const connections = [
    { ...local, remotePort: 0x8138 },
    { ...local, remotePort: 0x8139 },
    { ...mapped, remotePort: 0xebe6 },
    { ...local, remotePort: 1 },
    {},
  ];
  const table = new TcpTable(connections);
  for (const line of (TCP + TCP6).split('\n')) table.add(line);

  it('has the number of bytes that the peer has not acknowledged', () => {
    expect(table.find({ ...local, remotePort: 0x8138 })).toEqual({ unacknowledgedBytes: 8 });
  });

  it('has the number of unanswered window probes', () => {
    expect(table.find({ ...local, remotePort: 0x8139 })).toEqual({
      unacknowledgedBytes: 0x96fb0,
      unansweredProbes: 2,
    });
  });

  it('finds IPv4 connections of IPv6 sockets', () => {
    expect(table.find({ ...mapped, remotePort: 0xebe6 })).toEqual({ unacknowledgedBytes: 0x3fda90 });
  });

  it('does not find other connections or closed sockets', () => {
    expect(table.find({ ...local, remotePort: 1 })).toBeUndefined();
    expect(table.find({})).toBeUndefined();
  });

  it.each([
    ['127.0.0.1', 'LE', '0100007F'],
    ['127.0.0.1', 'BE', '7F000001'],
    ['::1', 'LE', '00000000000000000000000001000000'],
    ['2001:db8::5', 'BE', '20010DB8000000000000000000000005'],
    ['fe80::1%eth0', 'BE', 'FE800000000000000000000000000001'],
    ['1:2:3:4:5:6:7:8', 'LE', '02000100040003000600050008000700'],
  ] as const)('writes %s on a machine of order %s as %s', (address, order, expected) => {
    expect(kernelNotation(address, 80, order)).toBe(`${expected}:0050`);
  });

  it.each(['127.0.0.1', '::1', '::'])('finds connections to a server that listens at %s', async (host) => {
    const server = createServer().listen(0, host);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connect(port, host === '::' ? '127.0.0.1' : host);
    const [socket] = (await once(server, 'connection')) as [Socket];
    expect((await TcpTable.read([socket])).find(socket)).toEqual({ unacknowledgedBytes: 0 });
    client.destroy();
    server.close();
    await once(server, 'close');
  });
});
