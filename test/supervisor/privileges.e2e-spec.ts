import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startAllProcesses } from '../kit/all-processes.js';
import { Child } from '../kit/child.js';
import { eventually } from '../kit/eventually.js';
import { describeAsRoot } from '../kit/root.js';
import { copyProduction } from './production-copy.js';
import { mask, NO_CAPABILITIES, only, privilegesOf, type Privileges } from '../kit/processes.js';
import { MAIN, Service, type RoleName } from '../kit/service.js';

/** Bit numbers of the capabilities, deliberately not imported from the code under test. */
const [DAC_OVERRIDE, DAC_READ_SEARCH, SETGID, SETUID, SETPCAP, NET_RAW, SYS_PTRACE, SYS_ADMIN] = [
  1, 2, 6, 7, 8, 13, 19, 21,
] as const;
const ENGINE = mask(DAC_READ_SEARCH, NET_RAW, SYS_PTRACE, SYS_ADMIN);
const DISCOVERY = mask(DAC_OVERRIDE, DAC_READ_SEARCH, SYS_PTRACE, SYS_ADMIN);

/** The same capabilities in all five sets. */
function exactly(capabilities: string, ids: { uid: number; gid: number }): Privileges {
  return {
    uids: only(ids.uid),
    gids: only(ids.gid),
    groups: [],
    inheritable: capabilities,
    permitted: capabilities,
    effective: capabilities,
    bounding: capabilities,
    ambient: capabilities,
    noNewPrivileges: true,
  };
}

async function privilegesOfRoles(service: Service): Promise<Record<RoleName, Privileges>> {
  const ofRole = (role: RoleName): Promise<Privileges> =>
    eventually(role, () => privilegesOf(service.inRole(role).pid));
  return {
    server: await ofRole('server'),
    engine: await ofRole('engine'),
    discoverer: await ofRole('discoverer'),
    'filter compiler': await ofRole('filter compiler'),
  };
}

const SERVICE = { uid: 65533, gid: 65533 };

describeAsRoot('A service that root starts', () => {
  it('changes its user; server and filter compilers have no privileges, the others only the required ones', async () => {
    await using service = await Service.start();
    await startAllProcesses(service);
    expect(privilegesOf(service.pid)).toEqual(
      exactly(mask(DAC_OVERRIDE, DAC_READ_SEARCH, SETPCAP, NET_RAW, SYS_PTRACE, SYS_ADMIN), SERVICE),
    );
    expect(await privilegesOfRoles(service)).toEqual({
      server: exactly(NO_CAPABILITIES, SERVICE),
      engine: exactly(ENGINE, SERVICE),
      discoverer: exactly(DISCOVERY, SERVICE),
      // With no_new_privs set, it cannot gain the capabilities of the bounding set.
      'filter compiler': { ...exactly(NO_CAPABILITIES, SERVICE), bounding: ENGINE },
    });
  });

  it.each([
    ['--user', '12345', { uid: 12345, gid: 12345 }],
    ['--user', '12345:54321', { uid: 12345, gid: 54321 }],
    ['--user', 'nobody', { uid: 65534, gid: 65534 }],
  ])('changes to the user of %s %s', async (flag, user, ids) => {
    await using service = await Service.start([flag, user]);
    expect(privilegesOf(service.inRole('server').pid)).toEqual(exactly(NO_CAPABILITIES, ids));
    expect(privilegesOf(service.inRole('engine').pid)).toEqual(exactly(ENGINE, ids));
  });

  it('needs only three capabilities to drop root', async () => {
    const caps = '-all,+setuid,+setgid,+setpcap,+sys_ptrace,+sys_admin,+net_raw,+dac_read_search';
    const few = ['setpriv', '--inh-caps=-all', `--bounding-set=${caps}`, '--'];
    await using service = await Service.start([], { command: [...few, process.execPath, MAIN] });
    await startAllProcesses(service);
    const { server, engine, discoverer } = await privilegesOfRoles(service);
    expect(server).toEqual(exactly(NO_CAPABILITIES, SERVICE));
    expect(engine).toEqual(exactly(ENGINE, SERVICE));
    expect(discoverer).toEqual(exactly(mask(DAC_READ_SEARCH, SYS_PTRACE, SYS_ADMIN), SERVICE));
  });

  it.each(['setuid', 'setgid', 'setpcap'])(
    'does not start without %s and reports how to fix that',
    async (missing) => {
      const less = ['--inh-caps=-all', `--bounding-set=-${missing}`, '--'];
      const child = await Child.start('setpriv', [...less, process.execPath, MAIN, '--port', '0']);
      expect(await child.ended).toBe(1);
      expect(child.stderr).toMatch(
        new RegExp(`without CAP_${missing.toUpperCase()}: root cannot be dropped[^]*To fix this`),
      );
    },
  );

  it.each([
    ['root', 'the service must not run as root'],
    ['0', 'the service must not run as root'],
    ['no-such-user', 'there is no user'],
  ])('refuses to change to the user %s', async (user, message) => {
    const child = await Child.start(process.execPath, [MAIN, '--port', '0', '--user', user]);
    expect(await child.ended).toBe(1);
    expect(child.stderr).toContain(message);
  });
});

describeAsRoot('A service in a directory that only root may enter', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync('/root/packetflix-test-');
    copyProduction(folder);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const start = (...options: string[]): Promise<Service> =>
    Service.start(options, { command: [process.execPath, `${folder}/dist/main.js`] });

  it('runs the server as another user, and engines and filter compilers as user 0 without its capabilities', async () => {
    await using service = await start();
    await startAllProcesses(service);
    const closed = { uid: 0, gid: SERVICE.gid };
    expect(await privilegesOfRoles(service)).toEqual({
      server: { ...exactly(NO_CAPABILITIES, SERVICE), bounding: mask(DAC_READ_SEARCH, SETGID, SETUID) },
      engine: exactly(ENGINE, closed),
      discoverer: exactly(DISCOVERY, closed),
      'filter compiler': { ...exactly(NO_CAPABILITIES, closed), bounding: ENGINE },
    });
    expect(service.log).toMatch(/may not read the code/);
  });

  it('loads everything that it needs to serve requests at startup', async () => {
    await using service = await start('--local-discovery', '--log-requests', '--debug');
    await service.ready();
    const answers = await Promise.all(
      ['/version', '/discover/mobyshark', '/healthz', '/readyz', '/nothing', '/capture'].map(
        async (path) => (await fetch(`http://127.0.0.1:${service.port}${path}`)).status,
      ),
    );
    expect(answers).toEqual([200, 200, 200, 200, 404, 426]);
  });

  it('loads everything that the reverse proxy needs at startup', async () => {
    const ghostwire = createServer((_, response) => response.end('page')).listen(0, '127.0.0.1');
    await once(ghostwire, 'listening');
    const { port } = ghostwire.address() as AddressInfo;
    try {
      await using service = await start(
        '--proxy-discovery',
        '--gw-port',
        String(port),
        '--operator-port',
        'off',
      );
      const page = await fetch(`http://127.0.0.1:${service.port}/`);
      expect([page.status, await page.text()]).toEqual([200, 'page']);
      ghostwire.closeAllConnections();
      ghostwire.close();
      expect((await fetch(`http://127.0.0.1:${service.port}/`)).status).toBe(502);
      expect(service.processes().filter(({ command }) => / server /.test(command))).toHaveLength(1);
      expect(service.log).not.toMatch(/EACCES|was ended/);
    } finally {
      ghostwire.close();
    }
  });
});

describeAsRoot('A service that another user starts', () => {
  const ids = { uid: 4711, gid: 4712 };
  const caps = '+sys_ptrace,+sys_admin,+net_raw,+dac_read_search';
  const asUser = ['setpriv', '--reuid=4711', '--regid=4712', '--clear-groups'];
  const program = [process.execPath, MAIN];

  it('passes its capabilities to the processes that need them; the server gets none', async () => {
    await using service = await Service.start([], {
      command: [...asUser, `--inh-caps=-all,${caps}`, `--ambient-caps=-all,${caps}`, '--', ...program],
    });
    await startAllProcesses(service);
    // Reducing the bounding set requires CAP_SETPCAP. With no_new_privs set, none of it can be gained.
    const { bounding } = privilegesOf(service.pid);
    expect(await privilegesOfRoles(service)).toEqual({
      server: { ...exactly(NO_CAPABILITIES, ids), bounding },
      engine: { ...exactly(ENGINE, ids), bounding },
      discoverer: { ...exactly(mask(DAC_READ_SEARCH, SYS_PTRACE, SYS_ADMIN), ids), bounding },
      'filter compiler': { ...exactly(NO_CAPABILITIES, ids), bounding },
    });
  });

  it('grants no capabilities that are not needed', async () => {
    const more = `${caps},+net_admin,+sys_boot`;
    await using service = await Service.start([], {
      command: [...asUser, `--inh-caps=-all,${more}`, `--ambient-caps=-all,${more}`, '--', ...program],
    });
    const { bounding } = privilegesOf(service.pid);
    expect(privilegesOf(service.inRole('server').pid)).toEqual({
      ...exactly(NO_CAPABILITIES, ids),
      bounding,
    });
    expect(privilegesOf(service.inRole('engine').pid)).toEqual({ ...exactly(ENGINE, ids), bounding });
  });

  it('reports missing capabilities and how to fix that, and still answers requests', async () => {
    await using service = await Service.start([], {
      command: [...asUser, '--inh-caps=-all', '--', ...program],
    });
    expect(service.log).toMatch(/missing capability CAP_SYS_ADMIN.*CAPTURES WILL NOT WORK/);
    expect(service.log).toMatch(/To fix this[^]*run it as root/);
    expect(await service.answers()).toBe(true);
  });
});

describeAsRoot('A process that still has privileges', () => {
  const supervised = { ...process.env, PACKETFLIX_SUPERVISED: '1' };

  it.each([
    ['server', ['--port', '0']],
    ['engine', ['--socket', '/nonexistent/engine.sock']],
    ['discoverer', ['--socket', '/nonexistent/discoverer.sock']],
    ['compile-filter', []],
  ])('refuses to run: %s', async (role, args) => {
    const child = await Child.start(process.execPath, [MAIN, role, ...args], supervised);
    expect(await child.ended).toBe(1);
    expect(child.stderr).toMatch(
      /still has privileges \(.*CapEff [0-9a-f]{16}.*\) and refuses to serve untrusted clients/,
    );
  });

  it('refuses to run as user 0 without any capability', async () => {
    const stripped = ['--bounding-set=-all', '--inh-caps=-all', '--no-new-privs', '--'];
    const server = [process.execPath, MAIN, 'server', '--port', '0'];
    const child = await Child.start('setpriv', [...stripped, ...server], supervised);
    expect(await child.ended).toBe(1);
    expect(child.stderr).toMatch(/still has privileges \(user id 0\)/);
  });
});
