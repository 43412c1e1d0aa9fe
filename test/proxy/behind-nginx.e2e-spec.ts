import { once } from 'node:events';
import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { WebSocket } from 'ws';
import { eventually } from '../kit/eventually.js';
import { Service } from '../kit/service.js';
import { describeWithNginx, Nginx } from './kit/nginx.js';
import { ASSETS, loadPage, servePage } from './kit/page.js';
import { Upstream } from './kit/upstream.js';

const PREFIX = '/some/prefix';

describeWithNginx('The built service behind nginx, with TLS and a path prefix', () => {
  let upstream: Upstream;
  let service: Service;
  let nginx: Nginx;
  let agent: Agent;
  beforeAll(async () => {
    upstream = await Upstream.start();
    service = await Service.start(['--proxy-discovery', '--gw-port', String(upstream.port)]);
    nginx = await Nginx.before(service.port, PREFIX);
    agent = new Agent({ ca: nginx.certificate });
  }, 60_000);
  beforeEach(() => upstream.forget());
  afterAll(async () => {
    agent.destroy();
    await nginx[Symbol.asyncDispose]();
    await service[Symbol.asyncDispose]();
    await upstream.close();
  }, 30_000);

  const url = (path: string, scheme = 'https') => `${scheme}://localhost:${nginx.port}${PREFIX}${path}`;

  async function get(address: string): Promise<{ status: number; body: string }> {
    const asked = httpsRequest(address, { agent, lookup: loopback });
    asked.end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return { status: answer.statusCode ?? 0, body: await text(answer) };
  }

  it.each(['/', '/discover/'])('loads the page at %s with its assets', async (path) => {
    upstream.answer = servePage;
    expect(await loadPage(url(path), get)).toEqual(ASSETS);
    expect(upstream.targets).toEqual([
      '/',
      '/assets/style.css',
      '/assets/app.js?v=1',
      '/assets/a%20picture.svg',
      '/json',
    ]);
    expect(upstream.requests[0]?.headers).toMatchObject({
      host: `127.0.0.1:${upstream.port}`,
      'enable-monolith': 'Affirmative, Dave',
      'x-forwarded-prefix': PREFIX,
      'x-forwarded-uri': `${PREFIX}${path}`,
    });
  });

  it.each(['/mobydig', '/discover/mobydig'])('carries the websocket at %s', async (path) => {
    const client = new WebSocket(url(path, 'wss'), { ca: nginx.certificate, lookup: loopback });
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
    await eventually('the upstream to be rid of it', () => upstream.sockets.size === 0);
  });

  it.each(['/capture', '/discover/capture'])('has its own captures at %s', async (path) => {
    expect((await get(url(path))).status).toBe(426);
    const client = new WebSocket(url(path, 'wss'), { ca: nginx.certificate, lookup: loopback });
    expect(((await once(client, 'close')) as [number])[0]).toBe(4400);
    expect(upstream.requests).toEqual([]);
  });

  it('answers for a GhostWire that has gone, and goes on when it is back', async () => {
    const { port } = upstream;
    await upstream.close();
    const failure = await get(url('/discover/mobyshark'));
    expect(failure.status).toBe(502);
    expect(JSON.parse(failure.body)).toMatchObject({ statusCode: 502, error: 'Bad Gateway' });
    const client = new WebSocket(url('/mobydig', 'wss'), { ca: nginx.certificate, lookup: loopback });
    expect(String(((await once(client, 'error')) as [Error])[0])).toContain('502');
    upstream = await Upstream.start(port);
    expect((await get(url('/discover/mobyshark'))).status).toBe(200);
    await eventually('the log to say so', () => service.log.includes('GhostWire answers again'));
    expect(service.log.match(/GhostWire cannot be reached/g)).toHaveLength(1);
  });
});

/** The certificate's name, wherever this machine thinks that it leads. */
function loopback(
  _name: string,
  options: { all?: boolean },
  callback: (error: null, address: never, family: number) => void,
): void {
  const address = options.all ? [{ address: '127.0.0.1', family: 4 }] : '127.0.0.1';
  callback(null, address as never, 4);
}
