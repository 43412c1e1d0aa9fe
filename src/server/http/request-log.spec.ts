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
    expect(redactedHeaders({ host: 'here', [name]: 'hidden' })).toEqual({
      host: 'here',
      [name]: '(redacted)',
    });
  });

  it('does not show credentials in a query', () => {
    expect(redactedTarget('/capture?netns=5&access_token=hidden&nif=eth0&password=x')).toBe(
      '/capture?netns=5&access_token=(redacted)&nif=eth0&password=(redacted)',
    );
  });

  it('recognizes percent-encoded names, and credentials before a host', () => {
    expect(redactedTarget('/x?%70assword=hidden&ok=1')).toBe('/x?%70assword=(redacted)&ok=1');
    expect(redactedTarget('/x?%zz=1')).toBe('/x?%zz=1');
    expect(redactedTarget('http://me:hidden@here/x')).toBe('http://(redacted)@here/x');
    expect(redactedHeaders({ referer: 'https://me@there/?token=hidden' })).toEqual({
      referer: 'https://(redacted)@there/?token=(redacted)',
    });
  });

  it('bounds the length of the headers', () => {
    const many = Object.fromEntries(
      Array.from({ length: 2000 }, (_, index) => [`a${index}${'y'.repeat(10_000)}`, 'x'.repeat(10_000)]),
    );
    expect(JSON.stringify(redactedHeaders(many)).length).toBeLessThan(50_000);
  });
});
