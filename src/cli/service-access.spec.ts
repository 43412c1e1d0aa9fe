import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accessTo, describeRefusal, givenToken } from './service-access.js';

describe('Access to the service', () => {
  it.each([
    ['wss://alice:secret@host/capture', 'alice:secret'],
    ['wss://alice:a%20%3A%40%22%C3%BC@host/capture', 'alice:a :@"\u00fc'],
    ['wss://alice:100%@host/capture', 'alice:100%'],
    ['wss://alice@host/capture', 'alice:'],
  ])('moves the credentials of %s to a header', (text, expected) => {
    const { url, headers } = accessTo(new URL(text));
    expect(url.href).toBe('wss://host/capture');
    expect(headers).toEqual({ Authorization: `Basic ${Buffer.from(expected).toString('base64')}` });
  });

  it('makes no header without credentials', () => {
    const { url, headers } = accessTo(new URL('ws://host:5001/capture?netns=1'));
    expect(url.href).toBe('ws://host:5001/capture?netns=1');
    expect(headers).toEqual({});
  });

  it('sends a token', () => {
    expect(accessTo(new URL('wss://host/capture'), 'abc.def').headers).toEqual({
      Authorization: 'Bearer abc.def',
    });
  });
});

describe('The token', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'token-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  const tokenIn = (content: string): string | undefined => {
    const file = join(folder, 'token');
    writeFileSync(file, content);
    return givenToken(file, { PACKETFLIX_TOKEN: 'other' });
  };

  it('comes from the file, without white space around it, or else from the environment', () => {
    expect(tokenIn(' abc\n')).toBe('abc');
    expect(givenToken(undefined, { PACKETFLIX_TOKEN: 'abc\n' })).toBe('abc');
    expect(givenToken(undefined, { PACKETFLIX_TOKEN: '' })).toBeUndefined();
    expect(givenToken(undefined, {})).toBeUndefined();
  });

  it.each(['', 'two\nlines', 'sch\u00f6n'])(
    'is refused without being shown when a header cannot carry it (%j)',
    (content) => {
      expect(() => tokenIn(content)).toThrow(/^--token-file: \S+ does not have a token, which is one line/);
    },
  );

  it('is refused when its file is missing', () => {
    expect(() => givenToken(join(folder, 'none'))).toThrow(/--token-file: ENOENT/);
  });
});

describe('The description of a refusal', () => {
  it.each([
    [
      401,
      'Bearer',
      '{"message":"a token is needed"}',
      /^HTTP status 401, a token is needed; give a valid token/,
    ],
    [401, 'Basic realm="x"', '<html>', /^HTTP status 401; give user and password in the URL/],
    [403, null, '{"message":"not in namespace shop\\n"}', /^HTTP status 403, not in namespace shop\ufffd$/],
    [502, undefined, 'null', /^HTTP status 502$/],
  ])('with status %d says what to do', (status, authenticate, body, text) => {
    expect(describeRefusal(status, authenticate, body)).toMatch(text);
  });
});
