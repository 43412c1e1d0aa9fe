import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { connect } from 'node:net';
import { freePort, Service } from '../kit/service.js';

const ELSEWHERE = Object.values(networkInterfaces())
  .flat()
  .filter((address) => address !== undefined && !address.internal && address.family === 'IPv4')
  .map((address) => address!.address);

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

describe('The service', () => {
  it('is reachable at the loopback addresses only, its operator port included', async () => {
    const operatorPort = await freePort();
    await using service = await Service.start(['--operator-port', String(operatorPort)]);
    for (const port of [service.port, operatorPort]) {
      expect(await accepts(port, '127.0.0.1')).toBe(true);
      expect(await accepts(port, '::1')).toBe(true);
      for (const host of ELSEWHERE) expect(await accepts(port, host)).toBe(false);
    }
  });

  it('is reachable at all addresses with --host ::', async () => {
    await using service = await Service.start(['--host', '::']);
    for (const host of ['127.0.0.1', '::1', ...ELSEWHERE])
      expect(await accepts(service.port, host)).toBe(true);
  });
});
