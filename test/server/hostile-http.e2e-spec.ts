import { once } from 'node:events';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { UpgradeRoutes } from '../../src/server/http/upgrade-routes.js';
import { eventually } from '../kit/eventually.js';
import { ServerUnderTest, scriptedCapture } from './server-under-test.js';
import { HANDSHAKE, RawConnection } from '../kit/raw-connection.js';

const CHUNKED = 'Transfer-Encoding: chunked\r\n';

describe('The server, on malformed or hostile HTTP requests,', () => {
  let server: ServerUnderTest;
  beforeAll(async () => {
    server = await ServerUnderTest.start(() => Promise.resolve(scriptedCapture([])));
  });
  afterEach(async () => {
    // The server still serves other clients.
    const { status } = await fetch(`http://127.0.0.1:${server.port}/version`);
    expect(status).toBe(200);
  });
  afterAll(() => server.close());

  /** The status of the response to these bytes; undefined if the connection ends without one. */
  async function statusOf(bytes: string): Promise<number | undefined> {
    using connection = RawConnection.open(server.port);
    connection.send(bytes);
    await connection.until((received) => received.includes('\r\n'));
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(connection.statusLine)?.[1];
    return status === undefined ? undefined : Number(status);
  }

  it.each<[string, string, number | undefined]>([
    ['an empty path segment', 'GET // HTTP/1.1\r\nHost: x\r\n\r\n', 302],
    ['a path like an address', 'GET //evil.example/version HTTP/1.1\r\nHost: x\r\n\r\n', 404],
    ['many slashes', `GET ${'/'.repeat(10_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 404],
    ['dots', 'GET /capture/../version HTTP/1.1\r\nHost: x\r\n\r\n', 404],
    ['bad percent encoding', 'GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n', 404],
    ['bad percent encoding in the query', 'GET /version?%zz=%ff HTTP/1.1\r\nHost: x\r\n\r\n', 200],
    ['names of object properties', 'GET /__proto__/constructor HTTP/1.1\r\nHost: x\r\n\r\n', 404],
    ['an absolute URL', 'GET http://evil.example/version HTTP/1.1\r\nHost: x\r\n\r\n', 200],
    ['an absolute URL without a path', 'GET http://evil.example HTTP/1.1\r\nHost: x\r\n\r\n', 302],
    ['a target that is not a path', 'GET version HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['an asterisk', 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n', 404],
    ['no Host', 'GET /version HTTP/1.1\r\n\r\n', 400],
    ['no Host in HTTP/1.0', 'GET /version HTTP/1.0\r\n\r\n', 200],
    ['two hosts', 'GET /version HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 400],
    ['the same host twice', 'GET /version HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n', 400],
    ['two hosts and an upgrade', HANDSHAKE.replace('Host:', 'Host: x\r\nHost:'), 400],
    ['TRACE', 'TRACE /version HTTP/1.1\r\nHost: x\r\nCookie: hidden\r\n\r\n', 404],
    ['CONNECT', 'CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n', undefined],
    ['CONNECT to a path', 'CONNECT /capture HTTP/1.1\r\nHost: x\r\n\r\n', undefined],
    ['an unknown method', 'HACK /version HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['a websocket handshake by POST', HANDSHAKE.replace('GET', 'POST'), 404],
    ['a websocket handshake by HTTP/1.0', HANDSHAKE.replace('HTTP/1.1', 'HTTP/1.0'), 426],
    ['a websocket of another version', HANDSHAKE.replace('Version: 13', 'Version: 99'), 400],
    ['a websocket with a bad key', HANDSHAKE.replace('dGhlIHNhbXBsZSBub25jZQ==', 'short'), 400],
    ['a websocket without Connection', HANDSHAKE.replace('Connection: Upgrade\r\n', ''), 426],
    ['an upgrade to h2c', HANDSHAKE.replace('Upgrade: websocket', 'Upgrade: h2c'), 426],
    [
      'an upgrade to websocket and h2c',
      HANDSHAKE.replace('Upgrade: websocket', 'Upgrade: websocket, h2c'),
      426,
    ],
    [
      'both Content-Length and chunks',
      `POST /version HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n${CHUNKED}\r\n0\r\n\r\n`,
      400,
    ],
    [
      'two values of Content-Length',
      'POST /version HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      400,
    ],
    ['a negative Content-Length', 'POST /version HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', 400],
    ['invalid chunks', `POST /version HTTP/1.1\r\nHost: x\r\n${CHUNKED}\r\nzz\r\n\r\n`, 404],
    [
      'chunked not as the last transfer coding',
      'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n',
      400,
    ],
    ['chunks in HTTP/1.0', `POST /version HTTP/1.0\r\nHost: x\r\n${CHUNKED}\r\n0\r\n\r\n`, 400],
    ['a space before the colon', 'GET /version HTTP/1.1\r\nHost : x\r\n\r\n', 400],
    ['a folded header', 'GET /version HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n', 400],
    ['a NUL in a header', 'GET /version HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n', 400],
    ['line feeds without carriage returns', 'GET /version HTTP/1.1\nHost: x\n\n', 400],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['a TLS client hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['random bytes', '\0\0\0\0', 400],
    ['300 kB of headers', `GET /version HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(300_000)}\r\n\r\n`, 431],
    ['a path of 300 kB', `GET /${'b'.repeat(300_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 431],
    ['10,000 headers', `GET /version HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(10_000)}\r\n`, 431],
  ])('handles %s', async (_, bytes, status) => {
    expect(await statusOf(bytes)).toBe(status);
  });

  it('does not echo a TRACE request', async () => {
    using connection = RawConnection.open(server.port);
    connection.send('TRACE /version HTTP/1.1\r\nHost: x\r\nCookie: hidden\r\nConnection: close\r\n\r\n');
    await connection.ended;
    expect(connection.received.toString()).not.toContain('hidden');
  });

  it('closes connections within 5 s if the headers do not arrive or arrive slowly', async () => {
    const incomplete = ['', 'GET /ver', 'GET /version HTTP/1.1\r\nHost: x\r\n', HANDSHAKE.slice(0, -2)];
    const connections = incomplete.map((bytes) => {
      const connection = RawConnection.open(server.port);
      connection.send(bytes);
      return connection;
    });
    const dripping = RawConnection.open(server.port);
    dripping.send('GET /version HTTP/1.1\r\nHost: x\r\n');
    const drip = setInterval(() => dripping.send('A: b\r\n'), 100);
    const begin = performance.now();
    await Promise.all([...connections, dripping].map(({ ended }) => ended));
    expect(performance.now() - begin).toBeLessThan(5_000);
    clearInterval(drip);
  }, 10_000);

  it('serves other clients while one opens a thousand idle connections, and closes those within 10 s', async () => {
    const address = { port: server.port, host: '127.0.0.1', localAddress: '127.0.0.2' };
    const idle = Array.from({ length: 1000 }, () => new RawConnection(connect(address)));
    await Promise.all(idle.map(({ socket }) => once(socket, 'connect')));
    const begin = performance.now();
    expect(await statusOf('GET /version HTTP/1.1\r\nHost: x\r\n\r\n')).toBe(200);
    expect(performance.now() - begin).toBeLessThan(1_000);
    await Promise.all(idle.map(({ ended }) => ended));
    expect(performance.now() - begin).toBeLessThan(10_000);
  }, 20_000);

  it('survives resets at different times', async () => {
    for (let length = 0; length <= HANDSHAKE.length; length += 5) {
      const { socket } = RawConnection.open(server.port);
      await once(socket, 'connect');
      socket.write(HANDSHAKE.slice(0, length), () => socket.resetAndDestroy());
    }
    for (const afterMs of [0, 1, 2, 5, 10]) {
      const connection = RawConnection.open(server.port);
      connection.send(HANDSHAKE);
      await delay(afterMs);
      connection.socket.resetAndDestroy();
    }
    await delay(50);
  });

  it('survives a reset during the upgrade', async () => {
    const taken = Promise.withResolvers<Duplex>();
    server.app.get(UpgradeRoutes).exact('/busy', (_, socket) => taken.resolve(socket));
    const connection = RawConnection.open(server.port);
    connection.send(HANDSHAKE.replace('/capture', '/busy'));
    const socket = await taken.promise;
    connection.socket.resetAndDestroy();
    await eventually('the reset', () => socket.destroyed);
  });

  it('survives a handshake after pipelined requests', async () => {
    using connection = RawConnection.open(server.port);
    connection.send('GET /version HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3) + HANDSHAKE);
    await connection.until((received) => received.length > 0);
    await delay(100);
  });

  it('survives a handshake with a body or followed by frames', async () => {
    for (const bytes of [
      HANDSHAKE.replace('\r\n\r\n', '\r\nContent-Length: 5\r\n\r\nhello'),
      `${HANDSHAKE}\x81\x80\0\0\0\0`,
    ]) {
      using connection = RawConnection.open(server.port);
      connection.send(bytes);
      await connection.until((received) => received.includes('\r\n\r\n'));
    }
  });
});
