import { once } from 'node:events';
import { WebSocket } from 'ws';
import { eventually } from '../kit/eventually.js';
import { Service } from '../kit/service.js';
import { ASSETS, loadPage, servePage } from './kit/page.js';
import { describeWithProxies, PREFIX, RECIPES, TlsProxy, WITH_PASSWORD } from './kit/tls-proxy.js';
import { Upstream } from './kit/upstream.js';

describeWithProxies('The service behind $proxy with TLS, a password and a path prefix', RECIPES, (recipe) => {
  let upstream: Upstream;
  let service: Service;
  let proxy: TlsProxy;
  beforeAll(async () => {
    upstream = await Upstream.start();
    service = await Service.start(['--proxy-discovery', '--gw-port', String(upstream.port)]);
    proxy = await TlsProxy.before(service.port, recipe);
  }, 60_000);
  beforeEach(() => upstream.forget());
  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await service[Symbol.asyncDispose]();
    await upstream.close();
  }, 30_000);

  const get = (target: string) => proxy.get(target, WITH_PASSWORD);

  function websocket(path: string): WebSocket {
    return new WebSocket(proxy.url(path, 'wss'), {
      ca: proxy.certificate,
      headers: WITH_PASSWORD,
      family: 4,
    });
  }

  it.each(['/', '/discover/'])('serves the GhostWire page at %s with its assets', async (path) => {
    upstream.answer = servePage;
    expect(await loadPage(proxy.url(path), get)).toEqual(ASSETS);
    expect(upstream.targets).toEqual([
      '/',
      '/assets/style.css',
      '/assets/app.js?v=1',
      '/assets/a%20picture.svg',
      '/json',
    ]);
    expect(upstream.requests[0]?.headers.authorization).toBeUndefined();
    expect(upstream.requests[0]?.headers).toMatchObject({
      host: `127.0.0.1:${upstream.port}`,
      'enable-monolith': 'Affirmative, Dave',
      'x-forwarded-prefix': PREFIX,
      'x-forwarded-uri': `${PREFIX}${path}`,
    });
  });

  it.each(['/mobydig', '/discover/mobydig'])('forwards the websocket at %s', async (path) => {
    const client = websocket(path);
    await once(client, 'open');
    client.send('hello');
    const [echo] = (await once(client, 'message')) as [Buffer];
    expect(echo.toString()).toBe('hello');
    expect(upstream.handshakes[0]?.headers).toMatchObject({
      'enable-monolith': 'Affirmative, Dave',
      'x-forwarded-prefix': PREFIX,
      'x-forwarded-uri': `${PREFIX}${path}`,
    });
    client.close(4321);
    expect(((await once(client, 'close')) as [number])[0]).toBe(4321);
    await eventually('the end of the upstream connection', () => upstream.sockets.size === 0);
  });

  it.each(['/capture', '/discover/capture'])('does not forward captures at %s', async (path) => {
    expect((await get(path)).status).toBe(426);
    const client = websocket(path);
    expect(((await once(client, 'close')) as [number])[0]).toBe(4400);
    expect(upstream.requests).toEqual([]);
  });

  it('answers while GhostWire is down and recovers afterwards', async () => {
    const { port } = upstream;
    await upstream.close();
    const failure = await get('/discover/mobyshark');
    expect(failure.status).toBe(502);
    expect(JSON.parse(failure.body)).toMatchObject({ statusCode: 502, error: 'Bad Gateway' });
    const client = websocket('/mobydig');
    expect(String(((await once(client, 'error')) as [Error])[0])).toContain('502');
    upstream = await Upstream.start(port);
    expect((await get('/discover/mobyshark')).status).toBe(200);
    await eventually('the recovery in the log', () => service.log.includes('GhostWire answers again'));
    expect(service.log.match(/GhostWire cannot be reached/g)).toHaveLength(1);
  });
});
