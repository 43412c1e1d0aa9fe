import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { CaptureClient } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import { CountingRelay } from '../proxy/kit/counting-relay.js';
import { USER } from '../proxy/kit/recipes/proxy-recipe.js';
import {
  describeWithProxies,
  PREFIX,
  RECIPES,
  TlsProxy,
  WITH_PASSWORD,
  WITH_TOKEN,
} from '../proxy/kit/tls-proxy.js';
import type { IssuedTicket } from './ticket-client.js';

const LOG_OPTIONS = ['--user-header', 'X-Forwarded-User', '--trusted-proxy', '127.0.0.1'];

type Headers = Readonly<Record<string, string>>;

describeAsRoot('Tickets', () => {
  describeWithProxies('behind $proxy with its shipped configuration', RECIPES, (recipe) => {
    let service: Service;
    let relay: CountingRelay;
    let proxy: TlsProxy;
    let namespace: NetworkNamespace;
    beforeAll(async () => {
      service = await Service.start([...LOG_OPTIONS, '--local-discovery']);
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

    async function post(body: object, headers: Headers): Promise<{ status: number; body: string }> {
      const type = { 'Content-Type': 'application/json' };
      const options = { method: 'POST', headers: { ...type, ...headers }, ca: proxy.certificate, family: 4 };
      const request = httpsRequest(proxy.url('/tickets'), { ...options, agent: false });
      request.end(JSON.stringify(body));
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      return { status: response.statusCode ?? 0, body: await text(response) };
    }

    async function ticket(headers: Headers = WITH_PASSWORD): Promise<IssuedTicket> {
      const { status, body } = await post({ netns: namespace.inode, nif: 'eth1' }, headers);
      expect(status).toBe(201);
      return JSON.parse(body) as IssuedTicket;
    }

    /** The response to a request whose target is sent byte for byte. */
    async function raw(target: string, upgrade = false): Promise<string> {
      const socket = connectTls({
        port: proxy.port,
        host: '127.0.0.1',
        servername: 'localhost',
        ca: proxy.certificate,
      });
      const handshake =
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
      const end = upgrade ? handshake : 'Connection: close\r\n\r\n';
      socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost:${proxy.port}\r\n${end}`);
      try {
        let received = '';
        for await (const piece of socket as AsyncIterable<Buffer>) {
          received += piece.toString('latin1');
          if (upgrade && received.includes('\r\n\r\n')) break;
        }
        return received;
      } finally {
        socket.destroy();
      }
    }

    it('are issued to those who have the password, and let others in without one', async () => {
      expect((await post({ netns: namespace.inode }, {})).status).toBe(401);
      const issued = await ticket();
      await using client = await CaptureClient.open(
        service,
        {},
        { path: issued.path, through: proxy.relay, headers: { 'Clustershark-Container': '{"netns":5}' } },
      );
      await client.described('eth1');
      await sendPackets(namespace, { interface: 'eth0', count: 10 });
      await client.received(10);
      const list = await proxy.get(issued.path.replace('/capture', '/discover/mobyshark?x=/t/..'));
      expect(JSON.parse(list.body)).toMatchObject({ containers: [{ netns: namespace.inode }] });
      const version = await proxy.get(issued.path.replace('/capture', '/version'));
      expect(JSON.parse(version.body)).toMatchObject({ name: 'packetflix' });
    });

    it('and the log names the user who has entered the password with each capture, and nobody else', async () => {
      const userOf = (message: string): Promise<unknown> =>
        eventually(`a line "${message}"`, () => {
          const line = service.log.split('\n').findLast((each) => each.includes(`"${message}"`));
          return line !== undefined && { user: (JSON.parse(line) as { user?: string }).user };
        });
      const forged = { 'X-Forwarded-User': 'mallory' };
      await ticket({ ...forged, ...WITH_TOKEN });
      expect(await userOf('ticket issued')).toEqual({ user: undefined });
      const issued = await ticket({ ...forged, ...WITH_PASSWORD });
      expect(await userOf('ticket issued')).toEqual({ user: USER });
      {
        // Not checked at this path.
        const authorization = `Basic ${Buffer.from('mallory:x').toString('base64')}`;
        const headers = { ...forged, Authorization: authorization };
        await using client = await CaptureClient.open(
          service,
          {},
          { path: issued.path, through: proxy.relay, headers },
        );
        await client.described('eth1');
      }
      expect(await userOf('capture ended')).toEqual({ user: USER });
      expect(service.log).not.toContain('mallory');
    });

    it.each([
      ...['/targets', '/tickets', '/capture', '/version', '/t', '/tx/TICKET/version', '/T/TICKET/version'],
      ...['/t/../targets', '/t/%2e%2e/targets', '/t/..%2ftargets', '/t%2f..%2ftargets', '/t/./../targets'],
      ...['/t/TICKET/../../targets', '/t/TICKET/%2e%2e/%2e%2e/targets', '/t/TICKET/..%2f..%2ftargets'],
      ...['/t/TICKET/version/../../../targets', '/t/TICKET/capture/%2e%2e/%2e%2e/%2e%2e/targets'],
      ...['/t/TICKET/capture%2f..%2f..%2f..%2ftargets', '/t//../targets', '//t/../targets', '/t/..//targets'],
      ...[
        '/t/TICKET/%252e%252e/%252e%252e/targets',
        '/t/%5c..%5ctargets',
        '/t/..\\targets',
        '/t/..;/targets',
      ],
      ...['/t/TICKET/targets', '/t/TICKET/tickets', '/t/TICKET/metrics', '/t/TICKET/', '/t/TICKET'],
      ...['/targets?/t/TICKET/version', '/targets#/t/TICKET/version', '/targets%3f/t/TICKET/version'],
      ...['/targets/../t/../targets', '/targets;/t/TICKET/version', '/targets%00/t/TICKET/version'],
      ...['/t/TICKET/version%00/../../../targets', '/t/TICKET/version%3f/../../../targets'],
    ])('are needed at all paths below /t/, and nothing gets past the password with %s', async (form) => {
      const { ticket: issued } = await ticket();
      for (const filling of [issued, 'A'.repeat(60), 'x']) {
        const target = PREFIX + form.replace('TICKET', filling);
        for (const answer of [await raw(target), await raw(target, true)]) {
          // A path that the proxy takes for one of a ticket is refused by the service.
          expect(answer).toMatch(/^HTTP\/1\.[01] (400|401|403|404) /);
          expect(answer).not.toMatch(/"targets":|"version":/);
        }
      }
    });

    it('are the only thing that gets past the password: everything else does not reach the service', async () => {
      const { ticket: issued } = await ticket();
      const before = relay.connections;
      for (const form of [
        '/targets',
        '/t/TICKET/targets',
        '/t/../targets',
        '/t/TICKET/../../targets',
        '/t',
      ]) {
        expect(await raw(PREFIX + form.replace('TICKET', issued))).toMatch(/^HTTP\/1\.[01] (400|401) /);
      }
      expect(relay.connections).toBe(before);
    });

    it('are refused by the service when they are forged, before the upgrade', async () => {
      const { ticket: issued } = await ticket();
      const forged = issued.slice(0, -5) + issued.slice(-4);
      expect(await raw(`${PREFIX}/t/${forged}/version`)).toMatch(/^HTTP\/1\.1 403 [^]*ticket-invalid/);
      expect(await raw(`${PREFIX}/t/${forged}/capture`, true)).toMatch(/^HTTP\/1\.1 403 [^]*/);
    });
  });

  describeWithProxies('are in no log of $proxy, and downloads pass at once,', RECIPES, (recipe) => {
    it('with its shipped configuration', async () => {
      const server = createServer((_, response) => {
        response.writeHead(200, { 'Content-Type': 'application/vnd.tcpdump.pcap', Connection: 'close' });
        response.write('first');
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      await using proxy = await TlsProxy.before((server.address() as AddressInfo).port, recipe);
      const url = proxy.url('/t/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/capture.pcapng');
      const request = httpsRequest(url, { ca: proxy.certificate, agent: false, family: 4 }).end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      const [piece] = (await once(response, 'data')) as [Buffer];
      expect(piece.toString()).toBe('first');
      request.on('error', () => undefined).destroy();
      server.close();
      server.closeAllConnections();
      expect(proxy.output).not.toContain('AAAAAAAAAA');
    });
  });
});
