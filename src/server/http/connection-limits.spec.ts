import { Logger } from '@nestjs/common';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { RawConnection } from '../../../test/kit/raw-connection.js';
import { limitConnections, type ConnectionLimits } from './connection-limits.js';

const UPLOAD = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n';

describe('A server with limits', () => {
  const connections: RawConnection[] = [];
  let server: Server;
  let open: ReadonlySet<Socket>;

  beforeAll(() => {
    Logger.overrideLogger(false);
  });

  afterEach(async () => {
    connections.splice(0).forEach(({ socket }) => socket.destroy());
    server.close();
    await once(server, 'close');
  });

  async function start(
    limits: ConnectionLimits,
    answer: RequestListener = (request) => request.resume(),
  ): Promise<void> {
    server = createServer(answer);
    ({ open } = limitConnections(server, limits));
    await once(server.listen(0, '127.0.0.1'), 'listening');
  }

  async function client(localAddress = '127.0.0.1'): Promise<RawConnection> {
    const { port } = server.address() as AddressInfo;
    const connection = new RawConnection(connect({ port, host: '127.0.0.1', localAddress }));
    connections.push(connection);
    await once(connection.socket, 'connect');
    return connection;
  }

  /** Whether the server keeps the connection for some time. */
  async function isKept({ ended }: RawConnection, ms = 100): Promise<boolean> {
    return await Promise.race([ended.then(() => false), delay(ms, true)]);
  }

  it('leaves half of the connections to other clients, and closes those beyond its limit', async () => {
    await start({ maxConnections: 4 });
    const ofOne = [await client('127.0.0.2'), await client('127.0.0.2')];
    const third = await client('127.0.0.2');
    await third.ended;
    const ofOther = [await client('127.0.0.3'), await client('127.0.0.4')];
    const fifth = await client('127.0.0.5');
    await fifth.ended;
    for (const connection of [...ofOne, ...ofOther]) expect(await isKept(connection)).toBe(true);

    ofOne[0]!.socket.destroy();
    while (open.size > 3) await delay(5);
    expect(await isKept(await client('127.0.0.2'))).toBe(true);
  });

  const SLOW = { maxConnections: 100, minUploadBytes: 1000, uploadWindowMs: 200 };

  it('closes the connection of an upload that is too slow', async () => {
    await start(SLOW);
    const connection = await client();
    connection.send(UPLOAD);
    const drip = setInterval(() => connection.send('x'), 20);
    await connection.ended;
    clearInterval(drip);
  });

  it('does not limit an upload that is fast enough', async () => {
    await start(SLOW);
    const connection = await client();
    connection.send(UPLOAD);
    const drip = setInterval(() => connection.send('x'.repeat(500)), 20);
    expect(await isKept(connection, 1_000)).toBe(true);
    clearInterval(drip);
  });

  it('does not blame the client for bytes that the service does not read', async () => {
    await start(SLOW, () => undefined);
    const connection = await client();
    connection.send(UPLOAD);
    connection.send('x');
    expect(await isKept(connection, 1_000)).toBe(true);
  });

  it('closes the connection of a client that sends more and more requests without waiting for responses', async () => {
    let requests = 0;
    await start({ maxConnections: 4 }, () => void requests++);
    const connection = await client();
    connection.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(4));
    expect(await isKept(connection, 200)).toBe(true);
    connection.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await connection.ended;
    expect(requests).toBeLessThanOrEqual(5);
  });

  const RESPONSE = Buffer.alloc(16 * 1024 * 1024);

  /** A client that requests RESPONSE and reads none of it. */
  async function idler(): Promise<RawConnection> {
    const connection = await client();
    connection.socket.pause();
    connection.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    return connection;
  }

  it('closes the connection of a client that does not read its response', async () => {
    await start({ maxConnections: 4, readWindowMs: 200 }, (_, response) => response.end(RESPONSE));
    await idler();
    while (open.size === 0) await delay(5);
    while (open.size > 0) await delay(5);
  });

  it('closes the largest connection when too much waits to be read', async () => {
    await start({ maxConnections: 8, maxUnreadBytes: 24 * 1024 * 1024 }, (_, response) =>
      response.end(RESPONSE),
    );
    await Promise.all([idler(), idler()]);
    while (open.size < 2) await delay(5);
    await delay(200);
    expect(open.size).toBe(2);
    const other = await client();
    other.send('HEAD / HTTP/1.1\r\nHost: x\r\n\r\n');
    await other.until((received) => received.length > 0);
    while (open.size > 2) await delay(5);
    expect(await isKept(other)).toBe(true);
  });

  it('does not wait for the rest of an upload after the answer', async () => {
    await start(SLOW, (_, response) => response.end());
    const connection = await client();
    connection.send(UPLOAD);
    const drip = setInterval(() => connection.send('x'.repeat(500)), 20);
    await connection.ended;
    clearInterval(drip);
  });
});
