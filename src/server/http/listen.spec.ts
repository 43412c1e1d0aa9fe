import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { accepts, OTHER_ADDRESSES } from '../../../test/kit/addresses.js';
import { listen } from './listen.js';

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
    for (const host of OTHER_ADDRESSES) expect(await accepts(port, host)).toBe(false);
  });

  it('listens on all addresses at ::', async () => {
    const port = await start('::');
    for (const host of ['127.0.0.1', '::1', ...OTHER_ADDRESSES]) {
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
