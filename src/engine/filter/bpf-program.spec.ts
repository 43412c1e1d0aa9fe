import { compileFilter, PacketFilter } from '../native/libpcap.js';
import { both, REJECT_ALL } from './bpf-program.js';

const ETHERNET = 1;
const compile = (text: string): Uint8Array => compileFilter(text, ETHERNET, 262_144);

const packets = {
  'TCP to port 80': tcp('10.0.0.1', 1234, '10.0.0.2', 80),
  'TCP from port 80': tcp('10.0.0.2', 80, '10.0.0.1', 1234),
  'TCP to port 443': tcp('10.0.0.1', 1234, '10.0.0.2', 443),
  'TCP to port 80 of another host': tcp('10.0.0.1', 1234, '10.0.0.3', 80),
};

function passing(program: Uint8Array | undefined): string[] {
  const filter = program && new PacketFilter(program);
  return Object.entries(packets)
    .filter(([, packet]) => !filter || filter.matches(packet, packet.length, packet.length))
    .map(([name]) => name);
}

describe('both', () => {
  it('lets pass what both programs let pass', () => {
    const joined = both(compile('tcp port 80'), compile('host 10.0.0.3'));
    expect(passing(joined)).toEqual(['TCP to port 80 of another host']);
  });

  it('is the other one where there is only one', () => {
    const program = compile('port 443');
    expect(both(undefined, program)).toBe(program);
    expect(both(program, undefined)).toBe(program);
    expect(both(undefined, undefined)).toBeUndefined();
  });

  it('lets nothing pass with a program that lets nothing pass, on either side', () => {
    expect(passing(both(compile('tcp'), REJECT_ALL))).toEqual([]);
    expect(passing(both(REJECT_ALL, compile('tcp')))).toEqual([]);
  });
});

/** An Ethernet frame with an empty TCP segment. */
function tcp(from: string, fromPort: number, to: string, toPort: number): Buffer {
  const frame = Buffer.alloc(54);
  frame.writeUInt16BE(0x0800, 12);
  frame.set([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0], 14);
  frame.set(from.split('.').map(Number), 26);
  frame.set(to.split('.').map(Number), 30);
  frame.writeUInt16BE(fromPort, 34);
  frame.writeUInt16BE(toPort, 36);
  frame[46] = 0x50;
  return frame;
}
