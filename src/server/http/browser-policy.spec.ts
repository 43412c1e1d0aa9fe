import { browserPolicy, type ExaminedRequest } from './browser-policy.js';

type Headers = Record<string, string | string[]>;

const BROWSER = { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64)' };

const examine = browserPolicy(
  ['https://tools.example:8443', 'HTTP://Wiki.example:80', 'vscode-webview://0ab'],
  ['Capture.example', 'other.example'],
);

/** The option that the refusal names; undefined: the request is admitted. */
function optionFor(headers: Headers, method = 'GET', url = '/'): string | undefined {
  const refusal = examine(request(headers, method, url));
  return refusal && /--\S+(?=\.$)/.exec(refusal.remedy)?.[0];
}

function request(headers: Headers, method: string, url: string): ExaminedRequest {
  return {
    method,
    url,
    headersDistinct: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value : [value]]),
    ),
  };
}

describe('The browser policy admits', () => {
  it.each<[string, Headers]>([
    ['clients that are not browsers', { host: 'any.example:5001', 'user-agent': 'Go-http-client/1.1' }],
    ['clients without Host and Origin', {}],
    ['a page from our IPv4 address', { origin: 'http://192.0.2.1:5001', host: '192.0.2.1:5001' }],
    ['a page from our IPv6 address', { origin: 'http://[2001:db8::1]:5001', host: '[2001:db8::1]:5001' }],
    [
      'the same IPv6 address in its long form',
      { origin: 'http://[::1]:5001', host: '[0:0:0:0:0:0:0:1]:5001' },
    ],
    ['a page from localhost', { origin: 'http://localhost:5001', host: 'localhost:5001' }],
    ['localhost in upper case', { origin: 'http://localhost:5001', host: 'LocalHost:5001' }],
    ['our address on the default port', { origin: 'http://192.0.2.1', host: '192.0.2.1' }],
    ['the default port written out', { origin: 'http://192.0.2.1', host: '192.0.2.1:80' }],
    ['our address behind a TLS proxy', { origin: 'https://192.0.2.1', host: '192.0.2.1' }],
    ['a TLS proxy on another port', { origin: 'https://192.0.2.1:8443', host: '192.0.2.1:8443' }],
    ['an allowed page', { origin: 'https://tools.example:8443', host: '192.0.2.1:5001' }],
    ['the same in another case', { origin: 'HTTPS://Tools.Example:8443', host: '192.0.2.1:5001' }],
    ['an allowed page at an allowed name', { origin: 'https://tools.example:8443', host: 'other.example' }],
    ['an allowed page at its own name', { origin: 'https://tools.example:8443', host: 'TOOLS.example:80' }],
    ['a page from an allowed name', { origin: 'https://capture.example', host: 'capture.example' }],
    ['an address that the user entered', { ...BROWSER, host: '192.0.2.1:5001' }],
    ['an allowed name that the user entered', { ...BROWSER, host: 'CAPTURE.example:5001' }],
    ['the same with Sec-Fetch-Site', { ...BROWSER, host: 'localhost', 'sec-fetch-site': 'none' }],
    ['a request of our page', { ...BROWSER, host: '[::1]:5001', 'sec-fetch-site': 'same-origin' }],
    [
      'the same with Referer',
      { ...BROWSER, host: '192.0.2.1:5001', referer: 'http://192.0.2.1:5001/discover/?a=b' },
    ],
    [
      'a request of an allowed page without Origin',
      { ...BROWSER, host: '192.0.2.1', 'sec-fetch-site': 'cross-site', referer: 'http://wiki.example/x' },
    ],
    [
      'links from other pages',
      {
        ...BROWSER,
        host: 'localhost:5001',
        referer: 'http://evil.example/',
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
      },
    ],
    ['an allowed page on the default port', { origin: 'http://wiki.example', host: '192.0.2.1:5001' }],
    ['an allowed editor', { origin: 'vscode-webview://0ab', host: 'localhost:5001' }],
  ])('%s', (_, headers) => {
    expect(optionFor(headers)).toBeUndefined();
  });
});

describe('The browser policy refuses', () => {
  it.each<[string, Headers]>([
    ['pages of other sites', { origin: 'http://evil.example', host: '192.0.2.1:5001' }],
    ['pages with an opaque origin', { origin: 'null', host: '192.0.2.1:5001' }],
    ['an empty Origin', { origin: '', host: '192.0.2.1:5001' }],
    [
      'names that were rebound to this service',
      { origin: 'http://evil.example:5001', host: 'evil.example:5001' },
    ],
    ['names below localhost', { origin: 'http://evil.localhost:5001', host: 'evil.localhost:5001' }],
    [
      'names that begin like an address',
      { origin: 'http://127.0.0.1.evil.example', host: '127.0.0.1.evil.example' },
    ],
    ['localhost as a domain', { origin: 'http://localhost.evil.example', host: 'localhost.evil.example' }],
    ['names with a final dot', { origin: 'http://localhost.:5001', host: 'localhost.:5001' }],
    ['the same with a Host without the dot', { origin: 'http://localhost.:5001', host: 'localhost:5001' }],
    ['allowed names with a final dot', { origin: 'https://tools.example.:8443', host: '192.0.2.1' }],
    ['another port of our address', { origin: 'http://192.0.2.1:3000', host: '192.0.2.1:5001' }],
    [
      'the default port, if the service has another one',
      { origin: 'http://192.0.2.1', host: '192.0.2.1:5001' },
    ],
    ['the other default port', { origin: 'https://192.0.2.1', host: '192.0.2.1:80' }],
    ['another port of localhost', { origin: 'http://localhost:3000', host: 'localhost:5001' }],
    ['localhost, if Host is an address', { origin: 'http://localhost:5001', host: '127.0.0.1:5001' }],
    ['another address', { origin: 'http://192.0.2.2:5001', host: '192.0.2.1:5001' }],
    ['another port of an allowed name', { origin: 'https://tools.example', host: '192.0.2.1:5001' }],
    ['another scheme of an allowed name', { origin: 'http://tools.example:8443', host: '192.0.2.1:5001' }],
    ['names below an allowed one', { origin: 'https://a.tools.example:8443', host: '192.0.2.1:5001' }],
    ['another editor', { origin: 'vscode-webview://0abc', host: 'localhost:5001' }],
    ['other schemes on our address', { origin: 'ftp://192.0.2.1:5001', host: '192.0.2.1:5001' }],
    ['files', { origin: 'file://', host: '192.0.2.1:5001' }],
    ['user names before our address', { origin: 'http://user@192.0.2.1:5001', host: '192.0.2.1:5001' }],
    ['user names in Host', { origin: 'http://192.0.2.1:5001', host: 'user@192.0.2.1:5001' }],
    ['our address as a user name', { origin: 'http://192.0.2.1:5001@evil.example', host: '192.0.2.1:5001' }],
    ['origins with a path', { origin: 'http://192.0.2.1:5001/', host: '192.0.2.1:5001' }],
    ['a Host with a path', { origin: 'http://192.0.2.1:5001', host: '192.0.2.1:5001/' }],
    ['lists of origins', { origin: 'http://192.0.2.1:5001 http://evil.example', host: '192.0.2.1:5001' }],
    ['two origins', { origin: ['http://192.0.2.1:5001', 'http://evil.example'], host: '192.0.2.1:5001' }],
    [
      'an allowed origin twice',
      { origin: ['http://wiki.example', 'http://wiki.example'], host: '192.0.2.1' },
    ],
    ['two hosts', { origin: 'http://192.0.2.1:5001', host: ['192.0.2.1:5001', 'evil.example'] }],
    ['an origin without Host', { origin: 'http://192.0.2.1:5001' }],
    ['an origin with an empty Host', { origin: 'http://192.0.2.1:5001', host: '' }],
    [
      'forwarding headers, which any client can send',
      {
        origin: 'http://evil.example',
        host: '192.0.2.1:5001',
        'x-forwarded-host': 'evil.example',
        'x-forwarded-proto': 'http',
        forwarded: 'host=evil.example',
      },
    ],
    [
      'our address in a forwarding header only',
      {
        origin: 'http://192.0.2.1:5001',
        host: 'evil.example',
        'x-forwarded-host': '192.0.2.1:5001',
      },
    ],
  ])('%s', (_, headers) => {
    expect(optionFor(headers)).toMatch(/^--allowed-(origin|host)$/);
  });
});

const LINK = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };

describe('The browser policy names the option that admits', () => {
  it.each<[string, Headers, string]>([
    ['a name that was entered or rebound', { ...BROWSER, host: 'evil.example' }, '--allowed-host'],
    [
      'a rebound name, requested by a page of that name',
      { host: 'evil.example', 'sec-fetch-site': 'same-origin' },
      '--allowed-host',
    ],
    ['a link to a rebound name', { host: 'evil.example', ...LINK }, '--allowed-host'],
    [
      'an allowed page at another name',
      { origin: 'http://wiki.example', host: 'any.example' },
      '--allowed-host',
    ],
    ['a browser without Host', BROWSER, '--allowed-host'],
    ['names that an allowed editor could have', { ...BROWSER, host: '0ab' }, '--allowed-host'],
    ['names below an allowed one', { ...BROWSER, host: 'a.capture.example' }, '--allowed-host'],
    ['an allowed name with a final dot', { ...BROWSER, host: 'capture.example.' }, '--allowed-host'],
    ['an image on another page', { host: '192.0.2.1', referer: 'http://evil.example/x' }, '--allowed-origin'],
    [
      'a page that names no referrer',
      { host: 'localhost', 'sec-fetch-site': 'cross-site' },
      '--allowed-origin',
    ],
    ['a page on another port', { host: 'localhost', 'sec-fetch-site': 'same-site' }, '--allowed-origin'],
    ['a bad Referer', { host: 'localhost', referer: 'about:blank' }, '--allowed-origin'],
    ['two referrers', { host: 'localhost', referer: ['http://localhost/', 'x'] }, '--allowed-origin'],
    ['a frame', { host: 'localhost', ...LINK, 'sec-fetch-dest': 'iframe' }, '--allowed-origin'],
    [
      'a page of another origin, even if it claims to be a link',
      { host: 'localhost', ...LINK, origin: 'http://evil.example' },
      '--allowed-origin',
    ],
  ])('%s', (_, headers, option) => {
    expect(optionFor(headers)).toBe(option);
  });

  it.each([
    '/capture.pcapng?netns=5',
    '/CAPTURE.pcapng/',
    '/t/0a1b/capture.pcapng',
    'http://x/capture.pcapng',
  ])('a link to the download %s', (url) => {
    expect(optionFor({ host: 'localhost', ...LINK }, 'GET', url)).toBe('--allowed-origin');
    expect(optionFor({ host: 'localhost', ...BROWSER, 'sec-fetch-site': 'same-origin' }, 'GET', url)).toBe(
      undefined,
    );
  });

  it('a form of another page', () => {
    expect(optionFor({ host: 'localhost', ...LINK }, 'POST')).toBe('--allowed-origin');
  });
});
