import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { ServerUnderTest, scriptedCapture } from './server-under-test.js';

const OVER = { code: 'target-ended', message: 'over' } as const;

describe('The server, requested by web pages,', () => {
  let server: ServerUnderTest;
  beforeAll(async () => {
    server = await ServerUnderTest.start(
      () => Promise.resolve(scriptedCapture([], OVER)),
      ['--allowed-origin', 'https://tools.example,vscode-webview://0ab', '--allowed-host', 'capture.example'],
    );
  });
  afterAll(() => server.close());

  /** The whole answer to a request with these headers. */
  async function bodyFor(path: string, headers: Readonly<Record<string, string>>): Promise<string> {
    const socket = connect(server.port, '127.0.0.1');
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}Connection: close\r\n\r\n`);
    return await text(socket);
  }

  /** The status line of the response to a handshake with these headers. */
  async function statusLineFor(path: string, ...headers: string[]): Promise<string> {
    const socket = connect(server.port, '127.0.0.1');
    socket.write(
      [
        `GET ${path} HTTP/1.1`,
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        ...headers,
        '\r\n',
      ].join('\r\n'),
    );
    // If the handshake succeeds, the client ends the connection without answering the close frame.
    socket.once('data', () => socket.end());
    const [statusLine = ''] = (await text(socket)).split('\r\n', 1);
    return statusLine;
  }

  it.each(['/capture?netns=5', '/discover/capture?netns=5'])(
    'refuses a page of another origin at %s before the upgrade',
    async (path) => {
      expect(await server.connect(path, { origin: 'http://evil.example' }).refused).toBe(403);
      expect(await server.connect(path, { origin: 'null' }).refused).toBe(403);
    },
  );

  it('refuses a page whose host name was rebound to the address of the service', async () => {
    const rebound = ['Host: evil.example:5001', 'Origin: http://evil.example:5001'];
    expect(await statusLineFor('/capture?netns=5', ...rebound)).toBe('HTTP/1.1 403 Forbidden');
  });

  it('refuses two origins, even if one of them is allowed', async () => {
    const origins = ['Host: localhost', 'Origin: https://tools.example', 'Origin: http://evil.example'];
    expect(await statusLineFor('/capture?netns=5', ...origins)).toBe('HTTP/1.1 403 Forbidden');
  });

  it('ignores forwarding headers', async () => {
    const forwarded = [
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-Proto: http',
      'Forwarded: host=evil.example',
    ];
    expect(
      await statusLineFor('/capture?netns=5', 'Host: 192.0.2.1', 'Origin: http://evil.example', ...forwarded),
    ).toBe('HTTP/1.1 403 Forbidden');
  });

  it.each([
    ['a page of the same origin', ({ port }: ServerUnderTest) => `http://127.0.0.1:${port}`],
    ['an allowed page', () => 'https://tools.example'],
    ['an allowed editor', () => 'vscode-webview://0ab'],
  ])('accepts %s', async (_, origin) => {
    const client = server.connect('/capture?netns=5', { origin: origin(server) });
    expect(await client.closed).toEqual({ code: 1000, reason: 'over' });
  });

  it.each([
    '/version',
    '/capture',
    '/discover/mobyshark',
    '/metrics',
    '/readyz',
    '/healthz',
    '/',
    '/unknown',
  ])('refuses a rebound name and foreign pages at %s, and names the option', async (path) => {
    const browser = { 'User-Agent': 'Mozilla/5.0' };
    const rebound = await bodyFor(path, { ...browser, Host: 'evil.example' });
    expect(rebound).toMatch(/^HTTP\/1\.1 403 [^]*--allowed-host/);
    const foreign = await bodyFor(path, { ...browser, Host: 'localhost', Origin: 'http://evil.example' });
    expect(foreign).toMatch(/^HTTP\/1\.1 403 [^]*--allowed-origin/);
    const entered = await bodyFor(path, { ...browser, Host: 'capture.example' });
    expect(entered).not.toMatch(/^HTTP\/1\.1 403/);
  });

  it('accepts clients that are not browsers with any Host', async () => {
    expect(await statusLineFor('/capture?netns=5', 'Host: capture.example')).toBe(
      'HTTP/1.1 101 Switching Protocols',
    );
  });
});
