import { clientNetwork } from './client-network.js';

describe('clientNetwork', () => {
  it.each([
    ['an IPv4 address is one client', '192.0.2.1', '192.0.2.1'],
    ['an IPv4-mapped address too', '::ffff:192.0.2.1', '192.0.2.1'],
    ['an IPv6 subnet is one client', '2001:db8:0:1:2:3:4:5', '2001:db8:0:1::/64'],
    ['its first address too', '2001:db8:0:1::', '2001:db8:0:1::/64'],
    ['link-local neighbours are different clients', 'fe80::1%eth0', 'fe80::1%eth0'],
    ['the loopback address is a client of its own', '::1', '::1'],
  ])('%s', (_, address, expected) => {
    expect(clientNetwork(address)).toBe(expected);
  });

  it('distinguishes different clients', () => {
    const addresses = [
      ...['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8:0:1::1', '::1', '::2:1'],
      ...['fe80::1%eth0', 'fe80::2%eth0', 'fe80::1%eth1'],
    ];
    expect(new Set(addresses.map(clientNetwork)).size).toBe(addresses.length);
  });
});
