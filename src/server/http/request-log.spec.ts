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
    'cf-access-jwt-assertion',
    'x-forwarded-access',
    'x-anything',
    'x-forwarded-uri',
  ])('does not show the header %s', (name) => {
    expect(redactedHeaders({ host: 'here', [name]: 'hidden' })).toEqual({
      host: 'here',
      [name]: '(redacted)',
    });
  });

  it('shows the parameters of captures only, whatever the others are called', () => {
    expect(redactedTarget('/capture?netns=5&access_token=hidden&nif=eth0&x=hidden&hidden&filter=a?b')).toBe(
      '/capture?netns=5&(redacted)&nif=eth0&(redacted)&(redacted)&filter=a?(redacted)',
    );
    expect(redactedTarget('/x?%6eetns=hidden&__proto__=hidden#hidden')).toBe(
      '/x?(redacted)&(redacted)#(redacted)',
    );
  });

  it('does not show tickets, nor credentials before a host', () => {
    expect(redactedTarget('/t/hidden/capture?netns=5')).toBe('/t/(redacted)/capture?netns=5');
    expect(redactedTarget('http://me:hidden@here/x')).toBe('http://(redacted)@here/x');
  });

  it('shows of the page that sent the request only where it is from', () => {
    const { referer } = redactedHeaders({ referer: 'https://there:8443/hidden?token=hidden' });
    expect(referer).toBe('https://there:8443');
    expect(redactedHeaders({ referer: 'https://me:hidden@there/' }).referer).toBe('(redacted)');
    expect(redactedHeaders({ origin: 'null' }).origin).toBe('(redacted)');
  });

  it('shows headers that are known to be harmless', () => {
    const headers = { host: 'here', 'user-agent': 'curl/8', 'clustershark-nif': 'eth0/eth1' };
    expect(redactedHeaders(headers)).toEqual(headers);
  });

  it('bounds the length of the headers', () => {
    const many = Object.fromEntries(
      Array.from({ length: 2000 }, (_, index) => [`a${index}${'y'.repeat(10_000)}`, 'x'.repeat(10_000)]),
    );
    expect(JSON.stringify(redactedHeaders(many)).length).toBeLessThan(50_000);
  });
});
