import { summarize } from './headers.js';

const ETHERNET = 1;
const MACS = '020000000002' + '020000000001';
const IPV4 = (protocol: string, payloadBytes = 8, fragment = '0000') =>
  `4500${(20 + payloadBytes).toString(16).padStart(4, '0')}0001${fragment}40${protocol}0000` +
  'c0000201' +
  'c0000202';
const IPV6 = (next: string) =>
  `6000000000${'08'}${next}40` + '20010db8000000000000000000000001' + 'fe80000000000000000000fffe000001';
const UDP = '9c40003500080000';
const TCP = '9c40' + '0050' + '00000001' + '00000002' + '5012' + '0400' + '00000000';

function summaryOf(linkType: number, hex: string) {
  return summarize(linkType, Buffer.from(hex, 'hex'));
}

describe('summarize', () => {
  it.each<[string, number, string, object]>([
    [
      'UDP in IPv4 in Ethernet',
      ETHERNET,
      `${MACS}0800${IPV4('11')}${UDP}`,
      { source: '192.0.2.1', destination: '192.0.2.2', protocol: 'UDP', info: '40000 → 53' },
    ],
    [
      'TCP in VLANs',
      ETHERNET,
      `${MACS}88a8000a8100000b0800${IPV4('06', 20)}${TCP}`,
      { protocol: 'TCP', info: '40000 → 80 [SYN, ACK]' },
    ],
    [
      'ICMP',
      ETHERNET,
      `${MACS}0800${IPV4('01')}0800000000010001`,
      { protocol: 'ICMP', info: 'Echo request' },
    ],
    ['another ICMP type', ETHERNET, `${MACS}0800${IPV4('01')}2a000000`, { info: 'Type 42' }],
    [
      'a later fragment',
      ETHERNET,
      `${MACS}0800${IPV4('11', 8, '0005')}${UDP}`,
      { protocol: 'UDP', info: 'Fragment' },
    ],
    ['another IP protocol', ETHERNET, `${MACS}0800${IPV4('fe')}`, { protocol: 'IP protocol 254', info: '' }],
    [
      'ICMPv6',
      ETHERNET,
      `${MACS}86dd${IPV6('3a')}8700000000000000`,
      {
        source: '2001:db8::1',
        destination: 'fe80::ff:fe00:1',
        protocol: 'ICMPv6',
        info: 'Neighbor solicitation',
      },
    ],
    [
      'IPv6 with options',
      ETHERNET,
      `${MACS}86dd${IPV6('00')}${'2c00000000000000'}${'1100000000000000'}${UDP}`,
      { protocol: 'UDP', info: '40000 → 53' },
    ],
    [
      'an ARP request',
      ETHERNET,
      `${MACS}0806${'0001080006040001'}${'020000000001'}${'c0000201'}${'000000000000'}${'c0000202'}`,
      { source: '02:00:00:00:00:01', protocol: 'ARP', info: 'Who has 192.0.2.2? Tell 192.0.2.1' },
    ],
    [
      'an ARP reply',
      ETHERNET,
      `${MACS}0806${'0001080006040002'}${'020000000001'}${'c0000201'}${'000000000000'}${'c0000202'}`,
      { info: '192.0.2.1 is at 02:00:00:00:00:01' },
    ],
    ['LLDP', ETHERNET, `${MACS}88cc`, { protocol: 'LLDP' }],
    ['a rare type', ETHERNET, `${MACS}8999`, { protocol: '0x8999' }],
    ['IEEE 802.3', ETHERNET, `${MACS}0026424203`, { protocol: 'LLC' }],
    ['Linux SLL', 113, `${'00'.repeat(14)}0800${IPV4('11')}${UDP}`, { protocol: 'UDP', source: '192.0.2.1' }],
    ['Linux SLL2', 276, `0800${'00'.repeat(18)}${IPV4('11')}${UDP}`, { protocol: 'UDP' }],
    ['raw IP', 101, `${IPV4('11')}${UDP}`, { protocol: 'UDP' }],
    ['raw IPv6', 229, `${IPV6('11')}${UDP}`, { protocol: 'UDP', source: '2001:db8::1' }],
    ['loopback of BSD', 0, `02000000${IPV4('11')}${UDP}`, { protocol: 'UDP' }],
    ['neither IPv4 nor IPv6', 101, 'f0', { protocol: 'Unknown' }],
    ['an unknown link type', 147, 'ff', { protocol: 'Link type 147', source: '', info: '' }],
  ])('knows %s', (_, linkType, hex, expected) => {
    expect(summaryOf(linkType, hex)).toMatchObject(expected);
  });

  it.each([
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000000000001', '::1'],
    ['20010000000000010000000000000000', '2001:0:0:1::'],
    ['00010002000300040005000600070000', '1:2:3:4:5:6:7:0'],
    ['20010db8000000010000000000000001', '2001:db8:0:1::1'],
  ])('writes the IPv6 address %s as %s', (address, text) => {
    const packet = `6000000000003b40${address}${'00'.repeat(16)}`;
    expect(summaryOf(101, packet).source).toBe(text);
  });

  it('reads no byte beyond a packet that was cut anywhere', () => {
    const packets: [number, string][] = [
      [ETHERNET, `${MACS}8100000a86dd${IPV6('00')}${'2c00000000000000'}${'0600000000000000'}${TCP}`],
      [ETHERNET, `${MACS}0800${IPV4('06', 20)}${TCP}`],
      [ETHERNET, `${MACS}0806${'0001080006040001'}${'00'.repeat(20)}`],
      [113, `${'00'.repeat(14)}0800${IPV4('11')}${UDP}`],
      [276, `0800${'00'.repeat(18)}${IPV4('01')}08`],
    ];
    for (const [linkType, hex] of packets) {
      const whole = Buffer.from(hex, 'hex');
      for (let length = 0; length < whole.length; length++) {
        // Bytes of something else follow in the same memory.
        const { info } = summarize(linkType, Buffer.concat([whole, whole]).subarray(0, length));
        expect(typeof info).toBe('string');
      }
      expect(summarize(linkType, whole.subarray(0, 5)).info).toMatch(/ends within its headers|^$/);
    }
  });

  it('survives any bytes', () => {
    let state = 1;
    const random = () => (state = (state * 48271) % 0x7fff_ffff) & 0xff;
    for (const linkType of [0, ETHERNET, 101, 113, 276]) {
      for (let round = 0; round < 2000; round++) {
        const packet = Uint8Array.from({ length: 15 + random() }, random);
        if (linkType === ETHERNET) packet.set([0x86, 0xdd, 0x60], 12);
        expect(summarize(linkType, packet).info.length).toBeLessThan(200);
      }
    }
  });
});
