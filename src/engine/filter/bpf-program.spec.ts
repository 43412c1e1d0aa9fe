import { compileFilter, PacketFilter } from '../pcap/libpcap.js';
import { andPrograms, REJECT_ALL, withSnaplen } from './bpf-program.js';

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

describe('andPrograms', () => {
  it('accepts what both programs accept', () => {
    const joined = andPrograms(compile('tcp port 80'), compile('host 10.0.0.3'));
    expect(passing(joined)).toEqual(['TCP to port 80 of another host']);
  });

  it('returns the other program if one is missing', () => {
    const program = compile('port 443');
    expect(andPrograms(undefined, program)).toBe(program);
    expect(andPrograms(program, undefined)).toBe(program);
    expect(andPrograms(undefined, undefined)).toBeUndefined();
  });

  it('rejects everything if either program does', () => {
    expect(passing(andPrograms(compile('tcp'), REJECT_ALL))).toEqual([]);
    expect(passing(andPrograms(REJECT_ALL, compile('tcp')))).toEqual([]);
  });
});

describe('withSnaplen', () => {
  const kept = (program: Uint8Array | undefined): Set<number> =>
    new Set(
      Array.from({ length: (program?.length ?? 0) / 8 }, (_, index) => 8 * index)
        .filter((at) => Buffer.from(program ?? []).readUInt16LE(at) === 6)
        .map((at) => Buffer.from(program ?? []).readUInt32LE(at + 4)),
    );

  it('accepts the same packets and has the kernel keep less of them', () => {
    const program = andPrograms(compile('not host 10.0.0.3'), compile('tcp port 80'));
    const cut = withSnaplen(program, 96);
    expect(passing(cut)).toEqual(passing(program));
    expect(passing(cut)).toHaveLength(2);
    expect(kept(cut)).toEqual(new Set([0, 96]));
  });

  it.each([
    ['ip', 12 + 4],
    ['udp[6] = 0', 14 + 60 + 6 + 4],
    ['ether[2000:4] != 0', 2_004],
    ['ether[2000:4] != 0 or tcp', 2_004],
  ])('keeps the bytes that the program reads: %s', (text, atLeast) => {
    expect(kept(withSnaplen(compile(text), 1))).toEqual(new Set([0, atLeast]));
  });

  it.each(['ip[ip[0] & 15] = 0', 'ether[len - 1] = 0', 'ether[300000] = 0'])(
    'keeps everything where the program computes an offset: %s',
    (text) => {
      const program = compile(text);
      expect(withSnaplen(program, 96)).toBe(program);
    },
  );

  it('makes a program without a filter', () => {
    expect(passing(withSnaplen(undefined, 1))).toEqual(Object.keys(packets));
    expect(kept(withSnaplen(undefined, 1))).toEqual(new Set([1]));
  });

  it('changes nothing when nothing is to be truncated', () => {
    const program = compile('port 443');
    expect(withSnaplen(program, 262_144)).toBe(program);
    expect(withSnaplen(undefined, 262_144)).toBeUndefined();
    expect(passing(withSnaplen(REJECT_ALL, 60))).toEqual([]);
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
