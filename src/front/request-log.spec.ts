import { redactedHeaders, redactedTarget } from './request-log.js';

describe('The log of requests', () => {
  it.each(['authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key', 'x-auth-token'])(
    'does not show the header %s',
    (name) => {
      expect(redactedHeaders({ host: 'here', [name]: 'hidden' })).toBe(
        `{"host":"here","${name}":"(redacted)"}`,
      );
    },
  );

  it('does not show credentials in a query', () => {
    expect(redactedTarget('/capture?netns=5&access_token=hidden&nif=eth0&password=x')).toBe(
      '/capture?netns=5&access_token=(redacted)&nif=eth0&password=(redacted)',
    );
  });
});
