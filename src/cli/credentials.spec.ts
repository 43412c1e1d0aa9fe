import { takeCredentials } from './credentials.js';

describe('takeCredentials', () => {
  it.each([
    ['wss://alice:secret@host/capture', 'alice:secret'],
    ['wss://alice:a%20%3A%40%22%C3%BC@host/capture', 'alice:a :@"\u00fc'],
    ['wss://alice:100%@host/capture', 'alice:100%'],
    ['wss://alice@host/capture', 'alice:'],
  ])('makes a header of what is in %s, and leaves nothing of it there', (text, expected) => {
    const { url, headers } = takeCredentials(new URL(text));
    expect(url.href).toBe('wss://host/capture');
    expect(headers).toEqual({ Authorization: `Basic ${Buffer.from(expected).toString('base64')}` });
  });

  it('makes none where there is nobody', () => {
    const { url, headers } = takeCredentials(new URL('ws://host:5001/capture?netns=1'));
    expect(url.href).toBe('ws://host:5001/capture?netns=1');
    expect(headers).toEqual({});
  });
});
