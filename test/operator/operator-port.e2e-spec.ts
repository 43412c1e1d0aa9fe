import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { Child } from '../kit/child.js';
import { freePort, MAIN, Service } from '../kit/service.js';
import { serverBefore } from '../proxy/kit/proxy-under-test.js';
import { Upstream } from '../proxy/kit/upstream.js';

const PATHS = ['/healthz', '/readyz'];

async function statusOf(port: number, path: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  await response.body?.cancel();
  return response.status;
}

describe('The paths for operators', () => {
  it('can move to a separate port, which serves nothing else', async () => {
    const port = await freePort();
    await using service = await Service.start([
      '--operator-port',
      String(port),
      '--operator-host',
      '127.0.0.1',
    ]);
    expect(await statusOf(port, '/healthz')).toBe(200);
    expect([200, 503]).toContain(await statusOf(port, '/readyz'));
    for (const path of PATHS) expect(await statusOf(service.port, path)).toBe(404);
    for (const path of ['/version', '/capture', '/']) expect(await statusOf(port, path)).toBe(404);
    expect(await service.stop()).toBe(0);
  });

  it('can be switched off', async () => {
    await using service = await Service.start(['--operator-port', 'off']);
    for (const path of PATHS) expect(await statusOf(service.port, path)).toBe(404);
  });

  it('prevent startup if their port is in use, with a message that names the option', async () => {
    const taken = createServer().listen(0);
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const child = await Child.start(process.execPath, [MAIN, '--port', '0', '--operator-port', String(port)]);
    expect(await child.ended).toBe(1);
    taken.close();
    expect(child.stderr).toContain(`port ${port} of this machine is in use by another program`);
    expect(child.stderr).toContain('--operator-port');
  });

  it.each(['sometimes', '70000', '-1', ''])('cannot be configured with --operator-port=%s', async (text) => {
    const child = await Child.start(process.execPath, [MAIN, `--operator-port=${text}`]);
    expect(await child.ended).toBe(2);
    expect(child.stderr).toContain('--operator-port must be "same", "off" or a port');
  });
});

describe('With --proxy-discovery, the paths for operators', () => {
  let upstream: Upstream;
  beforeAll(async () => {
    upstream = await Upstream.start();
  });
  afterAll(() => upstream.close());

  it('are not proxied', async () => {
    const server = await serverBefore(upstream.port);
    upstream.forget();
    for (const path of PATHS) expect(await statusOf(server.port, path)).toBe(200);
    expect(upstream.targets.filter((target) => target !== '/')).toEqual([]);
    await server.close();
  });

  it.each([['off'], ['0']])('are proxied on the main port with --operator-port %s', async (place) => {
    const server = await serverBefore(upstream.port, '--operator-port', place);
    upstream.forget();
    for (const path of PATHS) await statusOf(server.port, path);
    expect(upstream.targets).toEqual(PATHS);
    await server.close();
  });
});
