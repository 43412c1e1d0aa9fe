import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../kit/eventually.js';
import { proxyForAllTests } from './kit/proxy-under-test.js';
import { handshake, RawConnection } from '../kit/raw-connection.js';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const UPLOAD = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbeginning';

describe('The proxy, when one side closes its connection', () => {
  const proxy = proxyForAllTests();
  const upstreamConnections = () => proxy.current.upstream.sockets.size;
  const reachedUpstream = () =>
    eventually('the request to arrive', () => proxy.current.upstream.requests.length > 0);
  const upstreamIsRid = () => eventually('the upstream to be rid of it', () => upstreamConnections() === 0);

  const begin = (response: ServerResponse) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('beginning');
  };

  it.each([
    ['before the answer', GET, () => undefined],
    ['during the answer', GET, begin],
    ['during the upload', UPLOAD, () => undefined],
    ['during the upload and the answer', UPLOAD, begin],
  ])('ends the upstream request if the client closes %s', async (_, request, answer) => {
    for (const leave of ['destroy', 'resetAndDestroy'] as const) {
      proxy.current.upstream.forget();
      proxy.current.upstream.answer = (_request, response) => answer(response);
      using connection = RawConnection.open(proxy.current.server.port, request);
      await reachedUpstream();
      if (answer === begin) await eventually('the beginning', () => connection.text.includes('beginning'));
      connection.socket[leave]();
      await upstreamIsRid();
    }
  });

  it.each([
    ['destroy', 'an answer of known length', { 'content-length': '1000' }],
    ['resetAndDestroy', 'an answer of known length', { 'content-length': '1000' }],
    ['destroy', 'an answer in chunks', {}],
  ] as const)('an upstream that goes away (%s) in the middle breaks off %s', async (leave, _, headers) => {
    proxy.current.upstream.answer = ({ socket }, response) => {
      response.writeHead(200, headers);
      response.write('beginning', () => socket[leave]());
    };
    using connection = RawConnection.open(proxy.current.server.port, GET);
    expect(await connection.textUntilEnd()).toMatch(/^HTTP\/1\.1 200 /);
    expect(connection.text).not.toMatch(/\r\n0\r\n\r\n$/);
    await upstreamIsRid();
  });

  it.each(['end', 'destroy', 'resetAndDestroy'] as const)(
    'a client that goes away (%s) before its websocket is open ends the handshake',
    async (leave) => {
      const { upstream, server } = proxy.current;
      const { onUpgrade } = upstream;
      upstream.onUpgrade = (_request, socket) => void socket.resume();
      try {
        using connection = RawConnection.open(server.port, handshake('/mobydig'));
        await eventually('the handshake to arrive', () => upstream.handshakes.length > 0);
        connection.socket[leave]();
        await eventually('the upstream to see the end', () =>
          [...upstream.sockets].every((socket) => socket.readableEnded || socket.destroyed),
        );
        for (const socket of upstream.sockets) socket.destroy();
      } finally {
        upstream.onUpgrade = onUpgrade;
      }
    },
  );

  it('survives hundreds of clients that reset at any moment', async () => {
    const { server, upstream } = proxy.current;
    upstream.answer = (_request, response) => begin(response);
    const requests = [GET, UPLOAD, handshake('/mobydig'), handshake('/discover/mobydig')];
    await Promise.all(
      Array.from({ length: 400 }, async (_, index) => {
        const connection = RawConnection.open(server.port, requests[index % 4]);
        await delay(index % 20);
        connection.socket.resetAndDestroy();
      }),
    );
    await upstreamIsRid();
    expect((await fetch(proxy.current.url('/version'))).status).toBe(200);
  });
});
