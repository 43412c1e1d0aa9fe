import { canonicalOrigin } from './web-origin.js';

describe('An origin', () => {
  it.each([
    ['http://example.com', 'http://example.com'],
    ['HTTPS://Example.COM:8443', 'https://example.com:8443'],
    ['http://example.com:80', 'http://example.com'],
    ['https://example.com:443', 'https://example.com'],
    ['https://example.com:80', 'https://example.com:80'],
    ['http://[0:0:0:0:0:0:0:1]:5001', 'http://[::1]:5001'],
    ['http://[::FFFF:192.0.2.1]', 'http://[::ffff:c000:201]'],
    ['https://bücher.example', 'https://xn--bcher-kva.example'],
    ['vscode-webview://0A1b', 'vscode-webview://0a1b'],
    ['chrome-extension://abcdef', 'chrome-extension://abcdef'],
  ])('%j is %j when compared', (text, expected) => {
    expect(canonicalOrigin(text)).toBe(expected);
  });

  it.each([
    '',
    'null',
    '*',
    'example.com',
    'http://',
    'http:example.com',
    'http://example.com/',
    'http://example.com/path',
    'http://example.com?x',
    'http://example.com#x',
    'http://user@example.com',
    'http://user:secret@example.com',
    'http://example.com:',
    'http://example.com:65536',
    'http://example.com:123456',
    'http://example.com.',
    'http://localhost.',
    'http://exa mple.com',
    'http://example.com\\@localhost',
    'http://%6cocalhost',
    'http://[::1%25eth0]',
    'http://[::1',
    'http://::1',
    'http://a.example, http://b.example',
    'http://a.example http://b.example',
    ' http://a.example',
    'http://a.example\n',
    'http://a\texample',
    'http://*.example.com:x',
  ])('%j is none', (text) => {
    expect(canonicalOrigin(text)).toBeUndefined();
  });
});
