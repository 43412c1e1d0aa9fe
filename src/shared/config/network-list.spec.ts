import { containedIn, NETWORKS } from './network-list.js';

describe('A list of networks', () => {
  it.each<[string, string, boolean]>([
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '::ffff:192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
    ['192.0.2.1', '', false],
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '::ffff:10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.7/8', '10.1.1.1', true],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['::ffff:192.0.2.0/120', '192.0.2.200', true],
    ['::ffff:192.0.2.0/120', '192.0.3.1', false],
    ['2001:db8::/32', '2001:db8:5::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['::1, 127.0.0.0/8', '127.0.0.2', true],
    ['::1,127.0.0.0/8', '::1', true],
    ['::1', '0:0:0:0:0:0:0:1', true],
  ])('%s contains %s: %s', (networks, address, expected) => {
    expect(containedIn(NETWORKS.parse(networks)!)(address)).toBe(expected);
  });

  it.each([
    '',
    'proxy',
    '192.0.2',
    '192.0.2.1/33',
    '192.0.2.1/',
    '::/129',
    '::ffff:192.0.2.1/95',
    '::1%eth0',
    ',',
  ])('may not be %j', (text) => {
    expect(NETWORKS.parse(text)).toBeUndefined();
  });
});
