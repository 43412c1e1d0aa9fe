import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../kit/eventually.js';
import { proxyForAllTests } from './kit/proxy-under-test.js';
import { handshake, RawConnection } from '../kit/raw-connection.js';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const UPLOAD = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nbeginning';

describe('The proxy, when one side closes its connection,', () => {
  const proxy = proxyForAllTests();
  const upstreamConnections = () => proxy.current.upstream.sockets.size;
  const reachedUpstream = () =>
    eventually('the request to arrive', () => proxy.current.upstream.requests.length > 0);
  const upstreamClosed = () =>
    eventually('the end of the upstream connections', () => upstreamConnections() === 0);

  const begin = (response: ServerResponse) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('beginning');
  };

  it.each([
    ['before the response', GET, () => undefined],
    ['during the response', GET, begin],
    ['during the upload', UPLOAD, () => undefined],
    ['during the upload and the response', UPLOAD, begin],
  ])('aborts the upstream request if that was the client, %s', async (_, request, answer) => {
    for (const leave of ['destroy', 'resetAndDestroy'] as const) {
      proxy.current.upstream.forget();
      proxy.current.upstream.answer = (_request, response) => answer(response);
      using connection = RawConnection.open(proxy.current.server.port, request);
      await reachedUpstream();
      if (answer === begin) await eventually('the beginning', () => connection.text.includes('beginning'));
      connection.socket[leave]();
      await upstreamClosed();
    }
  });

  it.each([
    ['destroy', 'a response of known length', { 'content-length': '1000' }],
    ['resetAndDestroy', 'a response of known length', { 'content-length': '1000' }],
    ['destroy', 'a chunked response', {}],
  ] as const)(
    'closes the client connection if that was the upstream, by %s, within %s',
    async (leave, _, headers) => {
      proxy.current.upstream.answer = ({ socket }, response) => {
        response.writeHead(200, headers);
        response.write('beginning', () => socket[leave]());
      };
      using connection = RawConnection.open(proxy.current.server.port, GET);
      expect(await connection.textUntilEnd()).toMatch(/^HTTP\/1\.1 200 /);
      expect(connection.text).not.toMatch(/\r\n0\r\n\r\n$/);
      await upstreamClosed();
    },
  );

  it.each(['end', 'destroy', 'resetAndDestroy'] as const)(
    'aborts the handshake if that was the client of a websocket that is not open yet, by %s',
    async (leave) => {
      const { upstream, server } = proxy.current;
      const { onUpgrade } = upstream;
      upstream.onUpgrade = (_request, socket) => void socket.resume();
      try {
        using connection = RawConnection.open(server.port, handshake('/mobydig'));
        await eventually('the handshake to arrive', () => upstream.handshakes.length > 0);
        connection.socket[leave]();
        await eventually('the end of the upstream connection', () =>
          [...upstream.sockets].every((socket) => socket.readableEnded || socket.destroyed),
        );
        for (const socket of upstream.sockets) socket.destroy();
      } finally {
        upstream.onUpgrade = onUpgrade;
      }
    },
  );

  it('survives hundreds of resets by clients at different times', async () => {
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
    await upstreamClosed();
    expect((await fetch(proxy.current.url('/version'))).status).toBe(200);
  });
});
