import { createHash } from 'node:crypto';
import { compileFilter, PacketFilter } from '../pcap/libpcap.js';
import { MAX_EXCLUSIONS, type TcpConnection, type TcpEndpoint } from '../../shared/protocol/capture-spec.js';
import { exclusionFilter } from './capture-filter.js';

const ETHERNET = 1;
const TCP = 6;
const UDP = 17;

const PACKETS = {
  'to port 80': segment(TCP, '10.0.0.1', 1234, '10.0.0.2', 80),
  'from port 80': segment(TCP, '10.0.0.2', 80, '10.0.0.1', 1234),
  'to port 443': segment(TCP, '10.0.0.1', 1234, '10.0.0.2', 443),
  'to port 80 of another host': segment(TCP, '10.0.0.1', 1234, '10.0.0.3', 80),
  'UDP to port 80': segment(UDP, '10.0.0.1', 1234, '10.0.0.2', 80),
};

/** Names of the packets that the filter rejects. */
function leftOut(excludedConnections: TcpConnection[], excludedEndpoints: TcpEndpoint[]): string[] {
  const text = exclusionFilter({ excludedConnections, excludedEndpoints });
  const filter = new PacketFilter(compileFilter(text, ETHERNET, 262_144));
  return Object.entries(PACKETS)
    .filter(([, packet]) => !filter.matches(packet, packet.length, packet.length))
    .map(([name]) => name);
}

describe('exclusionFilter', () => {
  it('rejects only one connection, in both directions', () => {
    const connection = { address: '10.0.0.2', port: 80, peerAddress: '10.0.0.1', peerPort: 1234 };
    expect(leftOut([connection], [])).toEqual(['to port 80', 'from port 80']);
  });

  it.each<[string, TcpEndpoint, string[]]>([
    ['a port of any host', { port: 80 }, ['to port 80', 'from port 80', 'to port 80 of another host']],
    ['all of a host', { address: '10.0.0.2' }, ['to port 80', 'from port 80', 'to port 443']],
    ['a port of a host', { address: '10.0.0.2', port: 80 }, ['to port 80', 'from port 80']],
    ['a port of a host, not that port of its peer', { address: '10.0.0.1', port: 80 }, []],
    ['an IPv6 address', { address: '2001:db8::1', port: 80 }, []],
  ])('rejects an endpoint: %s', (_, endpoint, expected) => {
    expect(leftOut([], [endpoint])).toEqual(expected);
  });

  it('rejects several of each', () => {
    const connection = { address: '10.0.0.2', port: 443, peerAddress: '10.0.0.1', peerPort: 1234 };
    expect(leftOut([connection], [{ address: '10.0.0.3' }, { port: 5001 }])).toEqual([
      'to port 443',
      'to port 80 of another host',
    ]);
  });

  it('is empty without exclusions', () => {
    expect(exclusionFilter({ excludedConnections: [], excludedEndpoints: [] })).toBe('');
  });

  it('fits into a program for the kernel with the maximum number of exclusions', () => {
    const numbers = Array.from({ length: MAX_EXCLUSIONS }, (_, number) => number);
    const program = compileFilter(
      exclusionFilter({
        excludedConnections: numbers.map((number) => ({
          address: address('local', number),
          port: 5001,
          peerAddress: address('remote', number),
          peerPort: 40_000 + number,
        })),
        excludedEndpoints: numbers.map((number) => ({ address: address('proxy', number), port: 1 + number })),
      }),
      ETHERNET,
      262_144,
    );
    const BPF_MAXINSNS = 4096; // linux/bpf_common.h
    expect(program.length / 8).toBeLessThan(BPF_MAXINSNS);
  });
});

/** Some IPv6 address: those make the longest programs. */
function address(seed: string, number: number): string {
  const digits = createHash('sha256').update(`${seed}${number}`).digest('hex');
  return `2001:db8:${digits.match(/.{4}/g)?.slice(0, 6).join(':')}`;
}

/** An Ethernet frame with an IPv4 packet that holds nothing but ports. */
function segment(protocol: number, from: string, fromPort: number, to: string, toPort: number): Buffer {
  const frame = Buffer.alloc(54);
  frame.writeUInt16BE(0x0800, 12);
  frame.set([0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0], 14);
  frame.set(from.split('.').map(Number), 26);
  frame.set(to.split('.').map(Number), 30);
  frame.writeUInt16BE(fromPort, 34);
  frame.writeUInt16BE(toPort, 36);
  frame[46] = 0x50;
  return frame;
}
