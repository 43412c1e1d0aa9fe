import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CaptureClient } from '../kit/capture-client.js';
import { Child } from '../kit/child.js';
import { Download } from '../kit/download.js';
import { eventually } from '../kit/eventually.js';
import { handshake, RawConnection, rawRequest } from '../kit/raw-connection.js';
import { describeAsRoot } from '../kit/root.js';
import { freePort, MAIN, netnsOfThisProcess, PROJECT, Service } from '../kit/service.js';
import { Upstream } from '../proxy/kit/upstream.js';
import { ticketFor } from '../tickets/ticket-client.js';

const TOKEN = 'first-token-0123456789';
const OTHER = 'other-token-0123456789';
const headers = { Authorization: `Bearer ${TOKEN}` };
const NETNS = netnsOfThisProcess();

/** An operation that is open has `security: []`. */
interface Operation {
  readonly responses: object;
  readonly security?: readonly [];
}
const OPEN_API = JSON.parse(readFileSync(`${PROJECT}docs/api/openapi.json`, 'utf8')) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};

describeAsRoot('A service with --token-file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'packetflix-test-'));
  // The service drops root, and its user must be able to read the file.
  chmodSync(folder, 0o755);
  const tokenFile = join(folder, 'token');
  let service: Service;

  beforeAll(async () => {
    writeFileSync(tokenFile, `${TOKEN}\n`);
    service = await Service.start(['--local-discovery', '--log-requests', '--token-file', tokenFile]);
    await service.ready();
  });
  afterAll(async () => {
    await service[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  const statusOf = async (path: string, authorization?: string, method = 'GET'): Promise<number> =>
    (
      await fetch(service.url(path), {
        method,
        redirect: 'manual',
        ...(authorization !== undefined && { headers: { authorization } }),
      })
    ).status;

  it.each([
    ['/version', 200],
    ['/VERSION/?x', 200],
    ['/healthz', 200],
    ['/readyz', 200],
    ['/', 302],
    ['/console', 308],
    ['/console/', 200],
    ['/console/nothing', 404],
    ['/t/no-ticket/capture', 403],
  ])('serves %s without the token', async (path, status) => {
    expect(await statusOf(path)).toBe(status);
  });

  it.each([
    ...['/targets', '/captures', '/capture', '/capture.pcapng?netns=1', '/discover/capture', '/metrics'],
    ...[
      '/discover/mobyshark',
      '/discover/',
      '/filter?filter=tcp',
      '/nothing',
      '/tickets',
      '/TARGETS/',
      '/%74argets',
    ],
  ])('refuses %s without the token, and before it is looked at', async (path) => {
    const answer = await fetch(service.url(path));
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    expect(await answer.json()).toEqual({
      statusCode: 401,
      code: 'unauthorized',
      message: expect.stringContaining('Authorization: Bearer') as string,
    });
    for (const method of ['POST', 'DELETE', 'OPTIONS'])
      expect(await statusOf(path, undefined, method)).toBe(401);
    for (const wrong of ['Bearer', `Bearer ${OTHER}`, `Basic ${TOKEN}`, TOKEN]) {
      expect(await statusOf(path, wrong)).toBe(401);
    }
    const withToken = await statusOf(path, `bEaReR ${TOKEN}`);
    expect(withToken).not.toBe(401);
  });

  it.each([
    ...[
      '//version',
      '/./version',
      '/version//',
      '/version/../targets',
      '/x/../version',
      '/%76ersion',
      '//console/',
    ],
    ...[
      'http://x/version',
      'http://x/targets',
      '/version;/targets',
      '/consoles',
      '/console;x/../targets',
      '*',
    ],
    ...['/console/%2e%2e/targets', '/console\\..\\targets', 'http://x\\targets?/version', '//x/version'],
  ])('takes %s for no path that is open', async (target) => {
    const answer = await rawRequest(service.port, `${target === '*' ? 'OPTIONS' : 'GET'} ${target} HTTP/1.1`);
    expect(answer).toMatch(/^HTTP\/1.1 40[01] /);
    expect(answer).not.toMatch(/"targets"|"version"/);
  });

  it('refuses exactly what docs/api/openapi.json says', async () => {
    for (const [path, operations] of Object.entries(OPEN_API.paths)) {
      for (const [method, { responses, security }] of Object.entries(operations)) {
        const isOpen = security !== undefined;
        expect([path, '401' in responses]).toEqual([path, !isOpen]);
        const status = await statusOf(path.replaceAll(/[{}]/g, ''), undefined, method.toUpperCase());
        expect([path, status === 401]).toEqual([path, !isOpen]);
      }
    }
  });

  it('answers HEAD without a body, and the next request on no connection that it has refused', async () => {
    const head = await rawRequest(service.port, 'HEAD /targets HTTP/1.1');
    expect(head).toMatch(/^HTTP\/1.1 401 [^]*Content-Length: \d+\r\n[^]*\r\n\r\n$/);
    using pipelined = RawConnection.open(
      service.port,
      `POST /tickets HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\nGET /version HTTP/1.1\r\nHost: x\r\n\r\n` +
        `GET /version HTTP/1.1\r\nHost: x\r\n\r\nGET /captures HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`,
    );
    const text = await pipelined.textUntilEnd();
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 401']);
    expect(text).toContain('Connection: close');
  });

  it('checks each of several requests on one connection', async () => {
    const get = (path: string, ...lines: string[]) =>
      ['GET', path].join(' ') + ` HTTP/1.1\r\n${['Host: x', ...lines, '', ''].join('\r\n')}`;
    const authorization = `Authorization: Bearer ${TOKEN}`;
    using connection = RawConnection.open(
      service.port,
      get('/version') + get('/captures', authorization) + get('/version') + get('/captures'),
    );
    const text = await connection.textUntilEnd();
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(
      ['200', '200', '200', '401'].map((code) => `HTTP/1.1 ${code}`),
    );
  });

  it.each([
    ['without the token', []],
    ['with another token', [`Authorization: Bearer ${OTHER}`]],
    ['with two tokens', [`Authorization: Bearer ${TOKEN}`, `Authorization: Bearer ${TOKEN}`]],
  ])('refuses a websocket %s before the upgrade', async (_, lines) => {
    using connection = RawConnection.open(
      service.port,
      handshake(`/capture?netns=${NETNS}&nif=lo`, ...lines),
    );
    const text = await connection.textUntilEnd();
    expect(text).toMatch(/^HTTP\/1.1 401 [^]*WWW-Authenticate: Bearer\r\n/);
    expect(JSON.parse(text.split('\r\n\r\n')[1] ?? '')).toMatchObject({
      statusCode: 401,
      code: 'unauthorized',
    });
    expect(text.match(/HTTP\/1.1/g)).toHaveLength(1);
  });

  it('captures with the token, live, as a download, and with a ticket that was made with it', async () => {
    await using live = await CaptureClient.open(service, { netns: NETNS, nif: 'lo' }, { headers });
    await live.described('lo');
    using download = await Download.open(service.url(`/capture.pcapng?netns=${NETNS}&nif=lo`), headers);
    await download.until('the interface', () => download.interfaceNames.includes('lo'));

    const { path } = await ticketFor(service, { netns: NETNS, nif: 'lo' }, headers);
    await using withTicket = await CaptureClient.open(service, {}, { path });
    await withTicket.described('lo');
    expect(await statusOf(path.replace('/capture', '/version'))).toBe(200);
    expect(await statusOf(path.replace('/capture', '/targets'))).toBe(404);
    const { captures } = (await (await fetch(service.url('/captures'), { headers })).json()) as {
      captures: { mayEnd: boolean; user?: string }[];
    };
    // The token is shared: it names nobody.
    expect(captures.map(({ mayEnd, user }) => ({ mayEnd, user }))).toEqual(
      Array(3).fill({ mayEnd: true, user: undefined }),
    );
  });

  it('refuses web pages of other origins even with the token', async () => {
    const answer = await rawRequest(
      service.port,
      'GET /targets HTTP/1.1',
      `Authorization: Bearer ${TOKEN}`,
      'Origin: https://evil.example',
    );
    expect(answer).toMatch(/^HTTP\/1.1 403 /);
  });

  it('logs refusals, and no token', async () => {
    await statusOf('/targets', `Bearer ${OTHER}`);
    await eventually('the line', () => service.log.includes('refused a request: unauthorized'));
    expect(service.log).not.toMatch(/-token-0123456789/);
  });

  it('uses a new token at once, ends no capture for that, and keeps the last one when the file vanishes', async () => {
    await using running = await CaptureClient.open(service, { netns: NETNS, nif: 'lo' }, { headers });
    await running.described('lo');
    try {
      writeFileSync(join(folder, 'new'), OTHER);
      renameSync(join(folder, 'new'), tokenFile);
      expect(await statusOf('/captures', `Bearer ${TOKEN}`)).toBe(401);
      expect(await statusOf('/captures', `Bearer ${OTHER}`)).toBe(200);
      await eventually('a line', () => service.log.includes('has changed'));
      rmSync(tokenFile);
      expect(await statusOf('/captures', `Bearer ${OTHER}`)).toBe(200);
      expect(await statusOf('/captures', `Bearer ${TOKEN}`)).toBe(401);
      await eventually('a warning', () => service.log.includes('the last token is still used'));
      expect(running.closing).toBeUndefined();
    } finally {
      writeFileSync(tokenFile, TOKEN);
    }
    expect(await statusOf('/captures', `Bearer ${TOKEN}`)).toBe(200);
  });

  it('has a separate operator port without the token, and then guards these paths on its own port', async () => {
    const port = await freePort();
    await using other = await Service.start(['--token-file', tokenFile, '--operator-port', String(port)]);
    for (const path of ['/healthz', '/readyz', '/metrics']) {
      expect((await fetch(`http://127.0.0.1:${port}${path}`)).status).toBe(200);
      expect((await fetch(other.url(path))).status).toBe(401);
    }
    expect((await fetch(`http://127.0.0.1:${port}/targets`)).status).toBe(404);
  });

  it('guards every path of GhostWire, which never gets the token', async () => {
    const upstream = await Upstream.start();
    try {
      await using proxy = await Service.start([
        ...['--proxy-discovery', '--gw-port', String(upstream.port), '--no-console'],
        ...['--token-file', tokenFile, '--operator-port', 'off'],
      ]);
      const paths = [
        '/',
        '/console/',
        '/console/x',
        '/healthz',
        '/json',
        '/discover/',
        '/discover/version',
        '//version',
      ];
      for (const path of paths) expect((await fetch(proxy.url(path))).status).toBe(401);
      expect(await rawRequest(proxy.port, 'GET http://x/json HTTP/1.1')).toMatch(/^HTTP\/1.1 401 /);
      using refused = RawConnection.open(proxy.port, handshake('/mobydig'));
      expect(await refused.textUntilEnd()).toMatch(/^HTTP\/1.1 401 /);
      expect([...upstream.requests, ...upstream.handshakes]).toEqual([]);

      for (const path of paths) expect((await fetch(proxy.url(path), { headers })).status).toBe(200);
      using admitted = RawConnection.open(
        proxy.port,
        handshake('/mobydig', `authorization: Bearer ${TOKEN}`),
      );
      await admitted.until((bytes) => bytes.includes('\r\n\r\n'));
      expect(admitted.statusLine).toContain('101');
      expect(upstream.requests).toHaveLength(paths.length);
      for (const { rawHeaders } of [...upstream.requests, ...upstream.handshakes]) {
        expect(rawHeaders.join('\n')).not.toMatch(/authorization|token-/i);
      }
    } finally {
      await upstream.close();
    }
  });

  it('lets in a gateway that has the same token, also after it has changed on both sides', async () => {
    const nodeFile = join(folder, 'node-token');
    writeFileSync(nodeFile, TOKEN);
    await using node = await Service.start(['--token-file', nodeFile]);
    await using gateway = await Service.start([
      ...['--nodes', `127.0.0.1:${node.port}`, '--token-file', tokenFile],
    ]);
    const captureAs = async (token: string) => {
      await using client = await CaptureClient.open(
        gateway,
        { netns: NETNS, nif: 'lo' },
        { headers: { Authorization: `Bearer ${token}` } },
      );
      await client.described('lo');
    };
    await eventually('the node', async () => (await captureAs(TOKEN), true));
    try {
      writeFileSync(nodeFile, OTHER);
      await expect(captureAs(TOKEN)).rejects.toThrow();
      writeFileSync(tokenFile, OTHER);
      await eventually('the node again', async () => (await captureAs(OTHER), true));
    } finally {
      writeFileSync(tokenFile, TOKEN);
    }
  });

  it.each<[string, () => string, RegExp]>([
    ['does not exist', () => join(folder, 'missing'), /--token-file: .*missing cannot be used: ENOENT/],
    ['is empty', () => (writeFileSync(join(folder, 'empty'), '\n'), join(folder, 'empty')), /it is empty/],
    [
      'has a short token',
      () => (writeFileSync(join(folder, 'short'), 'secret'), join(folder, 'short')),
      /at least 16/,
    ],
    [
      'only root can read',
      () => (writeFileSync(join(folder, 'root'), TOKEN, { mode: 0o600 }), join(folder, 'root')),
      /--token-file: .*root cannot be used: EACCES.*; user \d+, as which the service runs, must be able to read it/,
    ],
  ])('does not start with a file that %s: exit status 2', async (_, file, message) => {
    const child = await Child.start(process.execPath, [MAIN, '--port', '0', '--token-file', file()]);
    expect(await child.ended).toBe(2);
    expect(child.stderr).toMatch(message);
    expect(child.stderr).not.toMatch(/^\s+at /m);
  });
});

describeAsRoot('A service without --token-file', () => {
  it('passes Authorization on to GhostWire, which may have users of its own', async () => {
    const upstream = await Upstream.start();
    try {
      await using proxy = await Service.start(['--proxy-discovery', '--gw-port', String(upstream.port)]);
      await fetch(proxy.url('/json'), { headers });
      expect(upstream.requests[0]?.headers.authorization).toBe(headers.Authorization);
    } finally {
      await upstream.close();
    }
  });
});
