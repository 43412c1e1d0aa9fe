import { once } from 'node:events';
import { createServer } from 'node:http';
import { networkInterfaces } from 'node:os';
import { connect, createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { listen } from './listen.js';

const elsewhere = Object.values(networkInterfaces())
  .flat()
  .find((address) => address && !address.internal && address.family === 'IPv4')?.address;

/** Whether a connection to that address is accepted. */
async function accepts(port: number, host: string): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false; // ECONNREFUSED
  } finally {
    socket.destroy();
  }
}

describe('A server of the service', () => {
  const servers: Server[] = [];
  afterEach(() => servers.splice(0).forEach((server) => server.close()));

  async function start(host: string | undefined, port = 0): Promise<number> {
    const server = createServer((_, response) => response.end('hello'));
    servers.push(server);
    const second = await listen(server, port, host, {});
    if (second) servers.push(second);
    return (server.address() as AddressInfo).port;
  }

  it('listens on the loopback addresses only if no host is given', async () => {
    const port = await start(undefined);
    for (const host of ['127.0.0.1', '[::1]']) {
      expect(await (await fetch(`http://${host}:${port}/`)).text()).toBe('hello');
    }
    if (elsewhere !== undefined) expect(await accepts(port, elsewhere)).toBe(false);
  });

  it('listens on all addresses at ::', async () => {
    const port = await start('::');
    for (const host of ['127.0.0.1', '::1', ...(elsewhere === undefined ? [] : [elsewhere])]) {
      expect(await accepts(port, host)).toBe(true);
    }
  });

  it('listens on the given address only', async () => {
    const port = await start('127.0.0.1');
    expect(await accepts(port, '127.0.0.1')).toBe(true);
    expect(await accepts(port, '::1')).toBe(false);
  });

  it('fails if its port is in use at either loopback address', async () => {
    const other = createTcpServer().listen(0, '::1');
    servers.push(other);
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(start(undefined, port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
