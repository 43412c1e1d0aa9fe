import { randomBytes } from 'node:crypto';
import { WebSocket } from 'ws';
import { eventually } from '../kit/eventually.js';
import { proxyForAllTests } from './kit/proxy-under-test.js';
import { handshake, RawConnection } from '../kit/raw-connection.js';

describe('The proxy', () => {
  const proxy = proxyForAllTests();
  const allEnded = () =>
    eventually('all connections to end', () => proxy.current.upstream.sockets.size === 0);

  it.each(['/mobydig', '/discover/mobydig'])(
    'forwards websocket messages of all sizes at %s',
    async (path) => {
      const client = proxy.current.server.connect(path);
      await client.opened;
      const messages = [Buffer.from('text'), randomBytes(100_000), randomBytes(20_000_000), Buffer.alloc(0)];
      for (const message of messages) client.socket.send(message);
      const expected = Buffer.concat(messages);
      await eventually('all echoes', () => client.chunks.length === messages.length);
      expect(client.received.equals(expected)).toBe(true);
      client.socket.close(4321, 'client says good-bye');
      expect(await client.closed).toEqual({ code: 4321, reason: 'client says good-bye' });
      await allEnded();
    },
  );

  it('forwards the close frame of the upstream after all messages before it', async () => {
    const { server, upstream } = proxy.current;
    const client = server.connect('/mobydig');
    await client.opened;
    const last = randomBytes(5_000_000);
    upstream.websockets[0]?.send(last);
    upstream.websockets[0]?.close(4444, 'upstream says good-bye');
    expect(await client.closed).toEqual({ code: 4444, reason: 'upstream says good-bye' });
    expect(client.received.equals(last)).toBe(true);
    await allEnded();
  });

  it('lets client and upstream negotiate subprotocols and extensions', async () => {
    const { server } = proxy.current;
    const origin = `http://127.0.0.1:${server.port}`;
    const client = new WebSocket(`ws://127.0.0.1:${server.port}/mobydig`, ['first', 'second'], {
      headers: { origin },
    });
    await new Promise((resolve) => client.once('open', resolve));
    expect(client.protocol).toBe('first');
    expect(proxy.current.upstream.handshakes[0]?.headers).toMatchObject({
      origin,
      'sec-websocket-extensions': expect.stringContaining('permessage-deflate') as string,
      connection: 'Upgrade',
      upgrade: 'websocket',
    });
    client.terminate();
    await allEnded();
  });

  it('forwards frames that the client sends together with its handshake', async () => {
    const { server, upstream } = proxy.current;
    // A masked text frame with "Hello", from RFC 6455, section 5.7.
    const hello = '\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58';
    using connection = RawConnection.open(server.port, handshake('/mobydig') + hello);
    await eventually('the echo', () => connection.text.endsWith('\x81\x05Hello'));
    connection.socket.destroy();
    await allEnded();
    expect(upstream.websockets).toHaveLength(1);
  });

  it('forwards the refusal of a websocket by the upstream', async () => {
    const { server, upstream } = proxy.current;
    const { onUpgrade } = upstream;
    upstream.onUpgrade = (_request, socket) =>
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nno!');
    using connection = RawConnection.open(server.port, handshake('/mobydig'));
    expect(await connection.textUntilEnd()).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n[^]*\r\n\r\nno!$/);
    upstream.onUpgrade = onUpgrade;
    await allEnded();
  });

  it.each([
    ['the client', 'terminate'],
    ['the client', 'reset'],
    ['the client', 'half-close'],
    ['the upstream', 'terminate'],
    ['the upstream', 'reset'],
  ])('closes both connections of a websocket when %s disconnects by %s', async (who, how) => {
    const { server, upstream } = proxy.current;
    const client = server.connect('/mobydig');
    await client.opened;
    const [ofUpstream] = upstream.sockets;
    const leaver =
      who === 'the client'
        ? (client.socket as unknown as { _socket: typeof ofUpstream })._socket
        : ofUpstream;
    if (how === 'terminate') leaver?.destroy();
    else if (how === 'reset') leaver?.resetAndDestroy();
    else leaver?.end();
    await client.closed;
    await allEnded();
  });

  it('closes the upstream connection when a client that has not read resets its own', async () => {
    const { server, upstream } = proxy.current;
    using connection = RawConnection.open(server.port, handshake('/mobydig'));
    await eventually('the websocket to be open', () => upstream.websockets.length === 1);
    connection.socket.pause();
    upstream.websockets[0]?.send(randomBytes(50_000_000));
    connection.socket.resetAndDestroy();
    await allEnded();
  });

  it('closes websockets when the service ends', async () => {
    const { ProxyUnderTest } = await import('./kit/proxy-under-test.js');
    const other = await ProxyUnderTest.start();
    const client = other.server.connect('/discover/mobydig');
    await client.opened;
    await other.server.close();
    await client.closed;
    await eventually('the end of the upstream connection', () => other.upstream.sockets.size === 0);
    await other.close();
  });
});
