import { originGuard } from './origin-guard.js';

type Headers = Record<string, string | string[]>;

const mayCapture = originGuard([
  'https://tools.example:8443',
  'HTTP://Wiki.example:80',
  'vscode-webview://0ab',
]);

function request(headers: Headers): { headersDistinct: Record<string, string[]> } {
  return {
    headersDistinct: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value : [value]]),
    ),
  };
}

describe('Captures are for', () => {
  it.each<[string, Headers]>([
    ['clients that are no browsers', { host: 'capture.example:5001' }],
    ['clients without Host and Origin', {}],
    ['a page from our IPv4 address', { origin: 'http://192.0.2.1:5001', host: '192.0.2.1:5001' }],
    ['a page from our IPv6 address', { origin: 'http://[2001:db8::1]:5001', host: '[2001:db8::1]:5001' }],
    ['the same IPv6 address in long', { origin: 'http://[::1]:5001', host: '[0:0:0:0:0:0:0:1]:5001' }],
    ['a page from localhost', { origin: 'http://localhost:5001', host: 'localhost:5001' }],
    ['localhost in any case', { origin: 'http://localhost:5001', host: 'LocalHost:5001' }],
    ['our address on the default port', { origin: 'http://192.0.2.1', host: '192.0.2.1' }],
    ['the default port written out', { origin: 'http://192.0.2.1', host: '192.0.2.1:80' }],
    ['our address behind a TLS proxy', { origin: 'https://192.0.2.1', host: '192.0.2.1' }],
    ['a TLS proxy on another port', { origin: 'https://192.0.2.1:8443', host: '192.0.2.1:8443' }],
    ['a page that is allowed', { origin: 'https://tools.example:8443', host: '192.0.2.1:5001' }],
    ['the same in another case', { origin: 'HTTPS://Tools.Example:8443', host: '192.0.2.1:5001' }],
    ['an allowed page, however we are called', { origin: 'https://tools.example:8443', host: 'any.name' }],
    ['an allowed page on the default port', { origin: 'http://wiki.example', host: '192.0.2.1:5001' }],
    ['an editor that is allowed', { origin: 'vscode-webview://0ab', host: 'localhost:5001' }],
  ])('%s', (_, headers) => {
    expect(mayCapture(request(headers))).toBe(true);
  });
});

describe('Captures are not for', () => {
  it.each<[string, Headers]>([
    ['pages from elsewhere', { origin: 'http://evil.example', host: '192.0.2.1:5001' }],
    ['pages without an origin of their own', { origin: 'null', host: '192.0.2.1:5001' }],
    ['an Origin that says nothing', { origin: '', host: '192.0.2.1:5001' }],
    ['names that were rebound to us', { origin: 'http://evil.example:5001', host: 'evil.example:5001' }],
    ['names below localhost', { origin: 'http://evil.localhost:5001', host: 'evil.localhost:5001' }],
    [
      'names that begin like an address',
      { origin: 'http://127.0.0.1.evil.example', host: '127.0.0.1.evil.example' },
    ],
    ['localhost as a domain', { origin: 'http://localhost.evil.example', host: 'localhost.evil.example' }],
    ['names with a final dot', { origin: 'http://localhost.:5001', host: 'localhost.:5001' }],
    ['the same, Host without it', { origin: 'http://localhost.:5001', host: 'localhost:5001' }],
    ['allowed names with a final dot', { origin: 'https://tools.example.:8443', host: '192.0.2.1' }],
    ['another port of our address', { origin: 'http://192.0.2.1:3000', host: '192.0.2.1:5001' }],
    ['the default port, ours being another', { origin: 'http://192.0.2.1', host: '192.0.2.1:5001' }],
    ['the other default port', { origin: 'https://192.0.2.1', host: '192.0.2.1:80' }],
    ['another port of localhost', { origin: 'http://localhost:3000', host: 'localhost:5001' }],
    ['localhost, asked by address', { origin: 'http://localhost:5001', host: '127.0.0.1:5001' }],
    ['another address', { origin: 'http://192.0.2.2:5001', host: '192.0.2.1:5001' }],
    ['another port of an allowed name', { origin: 'https://tools.example', host: '192.0.2.1:5001' }],
    ['another scheme of an allowed name', { origin: 'http://tools.example:8443', host: '192.0.2.1:5001' }],
    ['names below an allowed one', { origin: 'https://a.tools.example:8443', host: '192.0.2.1:5001' }],
    ['an editor that is not allowed', { origin: 'vscode-webview://0abc', host: 'localhost:5001' }],
    ['other schemes on our address', { origin: 'ftp://192.0.2.1:5001', host: '192.0.2.1:5001' }],
    ['files', { origin: 'file://', host: '192.0.2.1:5001' }],
    ['users in front of our address', { origin: 'http://user@192.0.2.1:5001', host: '192.0.2.1:5001' }],
    ['users in Host', { origin: 'http://192.0.2.1:5001', host: 'user@192.0.2.1:5001' }],
    ['our address as a user', { origin: 'http://192.0.2.1:5001@evil.example', host: '192.0.2.1:5001' }],
    ['origins with a path', { origin: 'http://192.0.2.1:5001/', host: '192.0.2.1:5001' }],
    ['a Host with a path', { origin: 'http://192.0.2.1:5001', host: '192.0.2.1:5001/' }],
    ['lists of origins', { origin: 'http://192.0.2.1:5001 http://evil.example', host: '192.0.2.1:5001' }],
    ['two origins', { origin: ['http://192.0.2.1:5001', 'http://evil.example'], host: '192.0.2.1:5001' }],
    [
      'twice an allowed origin',
      { origin: ['http://wiki.example', 'http://wiki.example'], host: '192.0.2.1' },
    ],
    ['two hosts', { origin: 'http://192.0.2.1:5001', host: ['192.0.2.1:5001', 'evil.example'] }],
    ['an origin without Host', { origin: 'http://192.0.2.1:5001' }],
    ['an origin with an empty Host', { origin: 'http://192.0.2.1:5001', host: '' }],
    [
      'forwarding headers, which anybody can send',
      {
        origin: 'http://evil.example',
        host: '192.0.2.1:5001',
        'x-forwarded-host': 'evil.example',
        'x-forwarded-proto': 'http',
        forwarded: 'host=evil.example',
      },
    ],
    [
      'our address only as forwarded',
      {
        origin: 'http://192.0.2.1:5001',
        host: 'evil.example',
        'x-forwarded-host': '192.0.2.1:5001',
      },
    ],
  ])('%s', (_, headers) => {
    expect(mayCapture(request(headers))).toBe(false);
  });
});
