import { ownConnection } from './client-address.js';

describe('The connection that carries a capture', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::1', '::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:db8::ffff:1', '2001:db8::ffff:1'],
  ])('at %s is excluded as %s', (address, expected) => {
    expect(
      ownConnection({ localAddress: address, localPort: 5001, remoteAddress: address, remotePort: 40000 }),
    ).toEqual({ address: expected, port: 5001, peerAddress: expected, peerPort: 40000 });
  });

  it('is undefined after its socket was closed', () => {
    expect(
      ownConnection({
        localAddress: undefined,
        localPort: 5001,
        remoteAddress: undefined,
        remotePort: 40000,
      }),
    ).toBeUndefined();
  });
});
