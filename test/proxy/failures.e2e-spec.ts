import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../kit/service.js';
import { eventually } from '../kit/eventually.js';
import type { ServerUnderTest } from '../server/server-under-test.js';
import { serverBefore, proxyForAllTests } from './kit/proxy-under-test.js';
import { handshake, RawConnection } from '../kit/raw-connection.js';
import { Upstream } from './kit/upstream.js';

interface Failure {
  status: string;
  type: string;
  body: { statusCode: number; message: string; error: string };
}

/** Sends a request and returns the parts of the error response. */
async function failureOf(port: number, request: string): Promise<Failure> {
  using connection = RawConnection.open(port, request);
  await eventually('an answer', () => connection.text.endsWith('}'));
  const [head = '', body = ''] = connection.text.split('\r\n\r\n');
  return {
    status: head.split(' ')[1] ?? '',
    type: /content-type: (.*)/i.exec(head)?.[1]?.trim() ?? '',
    body: JSON.parse(body) as Failure['body'],
  };
}

const REQUESTS = [
  ['HTTP', 'GET /discover/mobyshark HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['an upload', `POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(50_000)}`],
  ['a websocket', handshake('/discover/mobydig')],
] as const;

describe('The proxy, while GhostWire is down,', () => {
  let server: ServerUnderTest;
  let port: number;
  beforeAll(async () => {
    port = await freePort();
    server = await serverBefore(port);
  });
  afterAll(() => server.close());

  it.each(REQUESTS)('answers %s with 502 and a JSON body', async (_, request) => {
    expect(await failureOf(server.port, request)).toEqual({
      status: '502',
      type: 'application/json; charset=utf-8',
      body: {
        statusCode: 502,
        message: `GhostWire cannot be reached (ECONNREFUSED): 127.0.0.1 port ${port}`,
        error: 'Bad Gateway',
      },
    });
  });

  it('serves the next request on the same connection, also after an upload', async () => {
    const upload = 'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n';
    using connection = RawConnection.open(server.port, upload);
    await eventually('the failure', () => connection.text.includes('}'));
    connection.send('0123456789GET /version HTTP/1.1\r\nHost: x\r\n\r\n');
    await eventually('the version', () => connection.text.includes('"packetflix"'));
  });

  it('recovers each time when GhostWire starts again', async () => {
    for (let round = 0; round < 3; round++) {
      const upstream = await Upstream.start(port);
      expect((await fetch(`http://127.0.0.1:${server.port}/json`)).status).toBe(200);
      const client = server.connect('/discover/mobydig');
      await client.opened;
      await upstream.close();
      await client.closed;
      expect((await fetch(`http://127.0.0.1:${server.port}/json`)).status).toBe(502);
      expect(await server.connect('/discover/mobydig').refused).toBe(502);
    }
  });

  it('reports an unknown host name', async () => {
    const nowhere = await serverBefore(80, '--discovery-service', 'nowhere.invalid');
    const answer = await fetch(`http://127.0.0.1:${nowhere.port}/`);
    expect(answer.status).toBe(502);
    expect(await answer.text()).toMatch(
      /cannot be reached \((ENOTFOUND|EAI_AGAIN)\): nowhere\.invalid port 80/,
    );
    await nowhere.close();
  });
});

describe('The proxy, if GhostWire sends invalid responses,', () => {
  it.each([
    ['does not speak HTTP', 'SSH-2.0-OpenSSH\r\n', /sent an invalid answer/],
    ['closes the connection', '', /closed the connection/],
    ['sends an invalid status', 'HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n', /sent an invalid answer/],
    [
      'sends control characters in the status line',
      'HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n',
      /sent an invalid answer/,
    ],
    [
      'switches protocols without a request',
      'HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
      /switch/,
    ],
  ])('answers with 502 when it %s', async (_, bytes, message) => {
    const upstream = createServer((socket) =>
      socket.on('error', () => undefined).once('data', () => socket.end(bytes)),
    );
    await once(upstream.listen(0, '127.0.0.1'), 'listening');
    const server = await serverBefore((upstream.address() as AddressInfo).port);
    const failure = await failureOf(server.port, REQUESTS[0][1]);
    expect(failure).toMatchObject({
      status: '502',
      body: { message: expect.stringMatching(message) as string },
    });
    expect((await fetch(`http://127.0.0.1:${server.port}/version`)).status).toBe(200);
    await server.close();
    upstream.close();
  });
});

describe('The proxy, if GhostWire is slow,', () => {
  const proxy = proxyForAllTests('--discovery-timeout', '1');
  const idle = () =>
    eventually('the end of all upstream connections', () => proxy.current.upstream.sockets.size === 0);

  it.each(REQUESTS)('answers %s with 504 and a JSON body', async (_, request) => {
    const { upstream, server } = proxy.current;
    const { onUpgrade } = upstream;
    upstream.answer = () => undefined;
    upstream.onUpgrade = (_request, socket) => void socket.resume().once('end', () => socket.end());
    const begin = performance.now();
    const failure = await failureOf(server.port, request);
    expect(performance.now() - begin).toBeLessThan(2_900);
    expect(failure).toEqual({
      status: '504',
      type: 'application/json; charset=utf-8',
      body: {
        statusCode: 504,
        message: `GhostWire is too slow (no answer within 1 s): 127.0.0.1 port ${upstream.port}`,
        error: 'Gateway Timeout',
      },
    });
    await idle();
    upstream.onUpgrade = onUpgrade;
  });

  it('does not limit the duration of a response that has begun', async () => {
    proxy.current.upstream.answer = (_request, response) => {
      response.write('one ');
      setTimeout(() => response.end('two'), 1_500);
    };
    expect(await (await fetch(proxy.current.url('/'))).text()).toBe('one two');
  });

  it('does not limit the duration of an upload, but the time between its end and the response', async () => {
    const { upstream, server } = proxy.current;
    upstream.answer = (request, response) =>
      request.resume().once('end', () => setTimeout(() => response.end('{}'), 700));
    using connection = RawConnection.open(
      server.port,
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n',
    );
    for (const byte of 'bytes') {
      await delay(450);
      connection.send(byte);
    }
    await eventually('the answer', () => connection.text.endsWith('{}'));
    expect(connection.text).toMatch(/^HTTP\/1\.1 200 /);
  });

  it('does not close idle websockets', async () => {
    const client = proxy.current.server.connect('/mobydig');
    await client.opened;
    await delay(2_200);
    client.socket.send('still there?');
    await eventually('the echo', () => client.received.toString() === 'still there?');
    client.socket.close();
    await client.closed;
    await idle();
  });
});
