import { WebSocket } from 'ws';
import { CaptureClient, type CaptureParameters } from '../kit/capture-client.js';
import { CLOSE_INVALID_REQUEST, CLOSE_NOT_FOUND } from '../kit/close-codes.js';
import { Child } from '../kit/child.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender, sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { CAPTURE_COMMAND, Service } from '../kit/service.js';
import { PASSWORD, USER } from './kit/recipes/proxy-recipe.js';
import { CountingRelay } from './kit/counting-relay.js';
import {
  caddyTryOutRecipe,
  describeWithProxies,
  PREFIX,
  RECIPES,
  TlsProxy,
  WITH_PASSWORD,
  WITH_TOKEN,
} from './kit/tls-proxy.js';

const PACKETS = 5_000;
const KIB = 1024;

type Headers = Readonly<Record<string, string>>;

describeAsRoot('Captures', () => {
  describeWithProxies('through $proxy with its shipped configuration', RECIPES, (recipe) => {
    let service: Service;
    let relay: CountingRelay;
    let proxy: TlsProxy;
    let namespace: NetworkNamespace;
    beforeAll(async () => {
      service = await Service.start();
      relay = await CountingRelay.to(service.port);
      proxy = await TlsProxy.before(relay.port, recipe);
      namespace = await NetworkNamespace.create();
      await namespace.addWire('eth0', 'eth1');
    }, 60_000);
    afterAll(async () => {
      await namespace[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await relay[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
    }, 30_000);

    function open(parameters: CaptureParameters, headers: Headers = WITH_PASSWORD): Promise<CaptureClient> {
      return CaptureClient.open(service, parameters, { headers, through: proxy.relay });
    }

    /** The status of the response to a websocket handshake. */
    async function statusFor(headers: Headers, url = proxy.url('/capture', 'wss')): Promise<number> {
      const socket = new WebSocket(url, { headers, ca: proxy.certificate, family: 4 });
      return new Promise((resolve, reject) => {
        socket.on('error', reject);
        socket.on('open', () => (socket.terminate(), resolve(101)));
        socket.on('unexpected-response', (_, { statusCode = 0 }) => {
          socket.on('error', () => undefined).terminate();
          resolve(statusCode);
        });
      });
    }

    it.each([
      ['a password', WITH_PASSWORD],
      ['a token', WITH_TOKEN],
    ])('are complete with %s', async (_, headers) => {
      await using client = await open({ netns: namespace.inode, nif: 'eth1' }, headers);
      await client.described('eth1');

      // Faster, the kernel of a busy machine drops packets before they reach the other end of the wire.
      const packets = { interface: 'eth0', count: PACKETS, sizes: [60, 1500, 300] };
      await sendPackets(namespace, { ...packets, ratePerSecond: 5_000 });
      await client.received(PACKETS);

      expect(client.sequences()).toEqual(Array.from({ length: PACKETS }, (_, index) => index));
      expect(await client.close(1000, 'ciao')).toEqual({ code: 1000, reason: 'ciao' });
    });

    it('work with "npm run capture" and a URL with user and password', async () => {
      const url = new URL(proxy.url('/capture', 'wss'));
      url.username = USER;
      url.password = PASSWORD;
      const args = ['--netns', String(namespace.inode), '--max-packets', '1', '--url', url.href];
      await using command = await Child.start(process.execPath, [CAPTURE_COMMAND, ...args], {
        ...process.env,
        NODE_EXTRA_CA_CERTS: proxy.authority,
      });
      await using sender = await PacketSender.start(namespace, { interface: 'eth0', ratePerSecond: 100 });
      await command.succeeded();
      await sender.stop();
    });

    it.each<[string, Headers]>([
      ['no credentials', {}],
      ['a wrong password', basic('alice', 'wrong')],
      ['an unknown user', basic('mallory', 'wrong')],
      ['an empty password', basic('alice', '')],
      ['a wrong token', { Authorization: 'Bearer 0f1e2d3c4b5a69788796a5b4c3d2e1f1' }],
      ['half a token', { Authorization: 'Bearer 0f1e2d3c4b5a6978' }],
      ['an empty token', { Authorization: 'Bearer ' }],
    ])('are refused with 401 and do not reach the service with %s', async (_, headers) => {
      const before = relay.connections;
      expect(await statusFor(headers)).toBe(401);
      const answer = await proxy.get('/version', headers);
      expect([answer.status, answer.headers['www-authenticate']]).toEqual([
        401,
        expect.stringMatching(/^Basic realm=/),
      ]);
      expect(relay.connections).toBe(before);
    });

    it('require the same password as all other paths', async () => {
      const before = relay.connections;
      for (const path of [
        '/',
        '/capture',
        '/discover/mobyshark',
        '/healthz',
        '/readyz',
        '/metrics',
        '/json',
      ]) {
        expect((await proxy.get(path)).status).toBe(401);
      }
      expect(relay.connections).toBe(before);
    });

    it('are not available outside the prefix, even with the password', async () => {
      const before = relay.connections;
      const outside = (path: string) => `https://localhost:${proxy.port}${path}`;
      for (const path of ['/', '/capture', '/version', `${PREFIX}x/version`]) {
        expect((await proxy.get(outside(path), WITH_PASSWORD)).status).toBe(404);
      }
      const without = await proxy.get(outside(PREFIX), WITH_PASSWORD);
      expect([without.status, new URL(without.headers.location ?? '', outside('/')).pathname]).toEqual([
        308,
        `${PREFIX}/`,
      ]);
      expect(relay.connections).toBe(before);
      expect(JSON.parse((await proxy.get('/version', WITH_PASSWORD)).body)).toMatchObject({
        name: 'packetflix',
      });
    });

    it('can be requested with more than 200 KiB in query and headers', async () => {
      // The names have the maximum length of 15 characters; the existing interface comes last.
      const names = Array.from({ length: 3_000 }, (_, index) => `veth${String(index).padStart(11, '0')}`);
      const interfaces = [...names, 'eth1'];
      const container = JSON.stringify({ netns: namespace.inode, 'network-interfaces': interfaces });
      const nif = interfaces.join('/');
      const headers = { 'Clustershark-Container': container, 'Clustershark-Nif': nif, ...WITH_PASSWORD };
      const query = new URLSearchParams({
        container: '{"netns":4026531840}',
        nif: `${nif}/${nif}`,
      }).toString();
      const bytes = query.length + container.length + nif.length;
      expect(bytes).toBeGreaterThan(200 * KIB);
      expect(bytes).toBeLessThan(250 * KIB);

      await using client = await CaptureClient.open(
        service,
        {},
        { headers, path: `/capture?${query}`, through: proxy.relay },
      );

      await client.described('eth1');
      await sendPackets(namespace, { interface: 'eth0', count: 10 });
      await client.received(10);
    });

    it('end with the close code and the reason of the service', async () => {
      await using missing = await open({ netns: 4_711 });
      expect(await missing.ended()).toEqual({
        code: CLOSE_NOT_FOUND,
        reason: expect.stringContaining('no network namespace 4711') as string,
      });
      await using invalid = await open({ netns: namespace.inode, filter: 'prot udp "\u00fc"' });
      const { code, reason } = await invalid.ended();
      expect([code, reason]).toEqual([CLOSE_INVALID_REQUEST, expect.stringContaining('capture filter: ')]);
      await using violating = await open({ netns: namespace.inode });
      await violating.until('the section header block', () => violating.sectionLength !== undefined);
      violating.send('x'.repeat(2 * KIB));
      expect((await violating.ended()).code).toBe(1009);
    });

    it('end in the service when the client closes its connection', async () => {
      const client = await open({ netns: namespace.inode });
      await client.until('the section header block', () => client.sectionLength !== undefined);
      const before = ends(service);
      client.abort();
      await eventually('the capture to end', () => ends(service) > before);
    });
  });

  describeWithProxies('through $proxy', [caddyTryOutRecipe], (recipe) => {
    it('work with a password; without a configured token, each token is refused', async () => {
      await using service = await Service.start();
      await using proxy = await TlsProxy.before(service.port, recipe);
      await using namespace = await NetworkNamespace.create();
      await using client = await CaptureClient.open(
        service,
        { netns: namespace.inode },
        { headers: WITH_PASSWORD, through: proxy.relay },
      );
      await client.until('the section header block', () => client.sectionLength !== undefined);
      for (const token of ['Bearer', 'Bearer ', 'Bearer {$PACKETFLIX_TOKEN}', WITH_TOKEN.Authorization]) {
        expect((await proxy.get('/version', { Authorization: token })).status).toBe(401);
      }
    });
  });
});

function basic(user: string, password: string): Headers {
  return { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

function ends({ log }: Service): number {
  return log.match(/the client left/g)?.length ?? 0;
}
