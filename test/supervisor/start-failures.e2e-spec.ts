import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { Child } from '../kit/child.js';
import { MAIN, runtimeDirectories } from '../kit/service.js';

async function serviceWith(...options: string[]): Promise<Child & { status: number | NodeJS.Signals }> {
  const child = await Child.start(process.execPath, [MAIN, ...options]);
  return Object.assign(child, { status: await child.ended });
}

describe('The service, instead of starting,', () => {
  it('reports a port in use and exits with 1', async () => {
    const server = createServer().listen(0);
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const { status, stderr, pid } = await serviceWith('--port', String(port));
    server.close();
    expect(stderr).toMatch(new RegExp(`port.*${port}|${port}.*in use`));
    expect(status).toBe(1);
    expect(runtimeDirectories(pid)).toEqual([]);
  });

  it.each([[['--no-such-option']], [['--port', 'many']], [['--port', '70000']]])(
    'reports the invalid option of %j and exits with 2',
    async (options) => {
      const { status, stderr } = await serviceWith(...options);
      expect(stderr).toContain(options[0]);
      expect(status).toBe(2);
    },
  );

  it.each([
    ['--help', /--port/],
    ['--version', /^\d+\.\d+\.\d+/],
  ])('prints only the text of %s and exits with 0', async (option, expected) => {
    const { status, stdout } = await serviceWith(option);
    expect(stdout).toMatch(expected);
    expect(status).toBe(0);
  });

  it('reports how to install a missing setpriv and exits with 1', async () => {
    const child = await Child.start(process.execPath, [MAIN], { ...process.env, PATH: '/nonexistent' });
    expect(await child.ended).toBe(1);
    expect(child.stderr).toMatch(/setpriv is missing[^]*util-linux/);
  });
});
