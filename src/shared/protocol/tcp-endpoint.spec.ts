import fc from 'fast-check';
import { endpointsFrom, endpointText, parseEndpoint } from './tcp-endpoint.js';

describe('An endpoint to exclude', () => {
  it.each([
    ['8443', { port: 8443 }],
    ['65535', { port: 65_535 }],
    ['192.0.2.1', { address: '192.0.2.1' }],
    ['192.0.2.1:443', { address: '192.0.2.1', port: 443 }],
    ['2001:db8::1', { address: '2001:db8::1' }],
    ['[2001:db8::1]', { address: '2001:db8::1' }],
    ['[2001:db8::1]:443', { address: '2001:db8::1', port: 443 }],
    ['[::ffff:192.0.2.1]:443', { address: '192.0.2.1', port: 443 }],
    ['::ffff:192.0.2.1', { address: '192.0.2.1' }],
  ])('may be %s', (text, expected) => {
    expect(parseEndpoint(text)).toEqual(expected);
  });

  it.each([
    ...['', ' ', '0', '65536', '080', '-1', '0x50', '443 ', '1.5', '443 or udp', ':443'],
    ...['host.example', 'localhost:443', '192.0.2.1:', '192.0.2.1:0', '192.0.2.1:65536', '192.0.2.256:1'],
    ...['192.0.2', '192.0.2.1/24', '[192.0.2.1]:443', '[2001:db8::1]443', '[2001:db8::g]', '[]:443'],
    ...['fe80::1%eth0', '[fe80::1%eth0]:443', '192.0.2.1:443\n', '1) or (tcp'],
  ])('is not %j', (text) => {
    expect(parseEndpoint(text)).toBeUndefined();
  });

  it('counts once, however often and in whatever form it is named', () => {
    expect(endpointsFrom(['5001', '::ffff:192.0.2.1', '5001', '192.0.2.1'])).toEqual([
      { port: 5001 },
      { address: '192.0.2.1' },
    ]);
  });

  it('is reported as it was parsed', () => {
    const address = fc.option(fc.oneof(fc.ipV4(), fc.constantFrom('::1', '2001:db8::1')), { nil: undefined });
    const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined });
    fc.assert(
      fc.property(address, port, (address, port) => {
        fc.pre(address !== undefined || port !== undefined);
        const endpoint = { address, port } as { address: string; port?: number };
        expect(parseEndpoint(endpointText(endpoint))).toEqual(endpoint);
      }),
    );
  });
});
