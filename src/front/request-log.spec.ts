import { redactedHeaders, redactedTarget } from './request-log.js';

describe('The log of requests', () => {
  it.each([
    'authorization',
    'proxy-authorization',
    'cookie',
    'set-cookie',
    'x-api-key',
    'x-auth-token',
    'x-amz-signature',
    'sec-websocket-protocol',
    'x-csrf-token',
  ])('does not show the header %s', (name) => {
    expect(redactedHeaders({ host: 'here', [name]: 'hidden' })).toBe(
      `{"host":"here","${name}":"(redacted)"}`,
    );
  });

  it('does not show credentials in a query', () => {
    expect(redactedTarget('/capture?netns=5&access_token=hidden&nif=eth0&password=x')).toBe(
      '/capture?netns=5&access_token=(redacted)&nif=eth0&password=(redacted)',
    );
  });

  it('knows credentials by their decoded names, and before a host', () => {
    expect(redactedTarget('/x?%70assword=hidden&ok=1')).toBe('/x?%70assword=(redacted)&ok=1');
    expect(redactedTarget('/x?%zz=1')).toBe('/x?%zz=1');
    expect(redactedTarget('http://me:hidden@here/x')).toBe('http://(redacted)@here/x');
    expect(redactedHeaders({ referer: 'https://me@there/?token=hidden' })).toBe(
      '{"referer":"https://(redacted)@there/?token=(redacted)"}',
    );
  });

  it('makes harmless what headers hold, and bounds how much', () => {
    expect(redactedHeaders({ host: 'a\x9b31m"\u202e' })).toBe('{"host":"a\\u009b31m\\"\\u202e"}');
    const many = Object.fromEntries(
      Array.from({ length: 2000 }, (_, index) => [`a${index}`, 'x'.repeat(10_000)]),
    );
    expect(redactedHeaders(many).length).toBeLessThan(25_000);
  });
});
