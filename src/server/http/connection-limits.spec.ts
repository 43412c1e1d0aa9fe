import { Logger } from '@nestjs/common';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { limitConnections, type ConnectionLimits } from './connection-limits.js';

const UPLOAD = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n';

describe('A server with limits', () => {
  const sockets: Socket[] = [];
  let server: Server;
  let open: ReadonlySet<Socket>;

  beforeAll(() => {
    Logger.overrideLogger(false);
  });

  afterEach(async () => {
    sockets.splice(0).forEach((socket) => socket.destroy());
    server.close();
    await once(server, 'close');
  });

  async function start(
    limits: ConnectionLimits,
    answer: RequestListener = (request) => request.resume(),
  ): Promise<void> {
    server = createServer(answer);
    open = limitConnections(server, limits);
    await once(server.listen(0, '127.0.0.1'), 'listening');
  }

  async function client(localAddress = '127.0.0.1'): Promise<Socket> {
    const { port } = server.address() as AddressInfo;
    const socket = connect({ port, host: '127.0.0.1', localAddress });
    socket.on('error', () => undefined).resume();
    sockets.push(socket);
    await once(socket, 'connect');
    return socket;
  }

  /** Whether the server keeps the connection. */
  async function isKept(socket: Socket): Promise<boolean> {
    return await Promise.race([once(socket, 'close').then(() => false), delay(100, true)]);
  }

  it('leaves half of the connections to other clients, and closes those beyond its limit', async () => {
    await start({ maxConnections: 4 });
    const ofOne = [await client('127.0.0.2'), await client('127.0.0.2')];
    expect(await isKept(await client('127.0.0.2'))).toBe(false);
    const ofOther = [await client('127.0.0.3'), await client('127.0.0.4')];
    expect(await isKept(await client('127.0.0.5'))).toBe(false);
    for (const socket of [...ofOne, ...ofOther]) expect(await isKept(socket)).toBe(true);

    ofOne[0]!.destroy();
    while (open.size > 3) await delay(5);
    expect(await isKept(await client('127.0.0.2'))).toBe(true);
  });

  const SLOW = { maxConnections: 100, minUploadBytes: 1000, uploadWindowMs: 200 };

  it('closes the connection of an upload that is too slow', async () => {
    await start(SLOW);
    const socket = await client();
    socket.write(UPLOAD);
    const drip = setInterval(() => socket.write('x'), 20);
    await once(socket, 'close');
    clearInterval(drip);
  });

  it('does not limit an upload that is fast enough', async () => {
    await start(SLOW);
    const socket = await client();
    socket.write(UPLOAD);
    const drip = setInterval(() => socket.write('x'.repeat(500)), 20);
    expect(await Promise.race([once(socket, 'close'), delay(1_000, 'open')])).toBe('open');
    clearInterval(drip);
  });

  it('does not blame the client for bytes that the service does not read', async () => {
    await start(SLOW, () => undefined);
    const socket = await client();
    socket.write(UPLOAD);
    socket.write('x');
    expect(await Promise.race([once(socket, 'close'), delay(1_000, 'open')])).toBe('open');
  });

  it('does not wait for the rest of an upload after the answer', async () => {
    await start(SLOW, (_, response) => response.end());
    const socket = await client();
    socket.write(UPLOAD);
    const drip = setInterval(() => socket.write('x'.repeat(500)), 20);
    await once(socket, 'close');
    clearInterval(drip);
  });
});
