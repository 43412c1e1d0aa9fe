import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { docker, FakeRuntime } from '../../test/fixtures/fake-runtime.js';
import { Runtimes } from './runtimes/runtimes.js';
import { scan, type InterfaceNames } from './scan.js';
import type { Target } from './targets.js';

/** The files of an invented host, in the format of a real one. */
const HOST = fileURLToPath(new URL('../../test/fixtures/host', import.meta.url));
const SUPERVISOR = 600;

const id = (two: string): string => two.repeat(32);
const HOST_CONTAINERS = [
  { Id: id('a1'), Names: ['/web'], Labels: {} },
  { Id: id('b2'), Names: ['/proxy/alias', '/dind'], Labels: {} },
  { Id: id('17'), Names: ['/hostnet'], Labels: null },
  { Id: id('00'), Names: ['/ended-meanwhile'], Labels: {} },
];
const INNER_CONTAINERS = [{ Id: id('c3'), Names: ['/web'], Labels: {} }];

const interfaceNames: InterfaceNames = (_procRoot, netns, holder) =>
  holder.kind === 'mount' && holder.path.endsWith('hidden') ? undefined : ['lo', `eth${netns % 1000}`];

function target(facts: Partial<Target> & { netns: number }): Target {
  const names = ['lo', `eth${facts.netns % 1000}`];
  return {
    name: '',
    type: 'docker',
    'network-interfaces': names,
    pid: 0,
    starttime: 0,
    prefix: '',
    ...facts,
  };
}

describe('A scan', () => {
  let host: string;
  beforeEach(() => {
    host = mkdtempSync(join(tmpdir(), 'host-'));
    cpSync(HOST, host, { recursive: true, verbatimSymlinks: true });
  });
  afterEach(() => rmSync(host, { recursive: true }));

  const look = (runtimes = new Runtimes()) =>
    scan({ procRoot: `${host}/proc`, runtimes, interfaceNames, supervisor: SUPERVISOR });
  const named = async (name: string) => (await look()).targets.filter((each) => each.name === name);

  describe('with Docker, and Docker in Docker', () => {
    const runtimes: FakeRuntime[] = [];
    beforeEach(async () => {
      runtimes.push(await FakeRuntime.start(docker(HOST_CONTAINERS), `${host}/run/docker.sock`));
      runtimes.push(await FakeRuntime.start(docker(INNER_CONTAINERS), `${host}/dind/run/docker.sock`));
    });
    afterEach(async () => {
      for (const runtime of runtimes.splice(0)) await runtime[Symbol.asyncDispose]();
    });

    it('finds all targets, and nothing else', async () => {
      const { targets, problems } = await look();

      expect(problems).toEqual([]);
      const byName = (a: Target, b: Target) => a.netns - b.netns || a.pid - b.pid;
      expect([...targets].sort(byName)).toEqual(
        [
          target({ name: 'systemd(1)', type: 'proc', netns: 4026531840, pid: 1, starttime: 1 }),
          target({ name: 'hostnet', netns: 4026531840, pid: 800, starttime: 8000 }),
          target({ name: '/mnt/café x:/run/netns/blue', type: 'bindmount', netns: 4026533000 }),
          target({ name: 'web', netns: 4026532001, pid: 111, starttime: 1000 }),
          target({
            name: 'private-network(114)',
            type: 'proc',
            netns: 4026532008,
            pid: 114,
            starttime: 1600,
          }),
          target({ name: 'dind', netns: 4026532002, pid: 200, starttime: 2000 }),
          target({ name: 'web', prefix: 'dind', netns: 4026532003, pid: 203, starttime: 2003 }),
          target({ name: 'datenbank-数据库', type: 'podman', netns: 4026532004, pid: 301, starttime: 3001 }),
          target({
            ...{ name: 'store/shop-0', type: 'pod', netns: 4026532005, pid: 401, starttime: 4001 },
            labels: {
              'io.kubernetes.cri.container-type': 'sandbox',
              'io.kubernetes.cri.sandbox-name': 'shop-0',
              'io.kubernetes.cri.sandbox-namespace': 'store',
            },
          }),
          target({ name: 'vm1', type: 'lxc', netns: 4026532007, pid: 700, starttime: 7000 }),
          target({ name: 'my (odd) proc(500)', type: 'proc', netns: 4026532009, pid: 500, starttime: 5000 }),
          target({
            name: 'older child of someone else(503)',
            type: 'proc',
            netns: 4026532009,
            pid: 503,
            starttime: 4999,
          }),
          target({ name: 'cache', type: 'containerd', netns: 4026532010, pid: 410, starttime: 4100 }),
          target({ name: '日本語(502)', type: 'proc', netns: 4026532011, pid: 502, starttime: 5002 }),
        ].sort(byName),
      );
    });

    it('asks a runtime once, even if several paths lead to its socket', async () => {
      symlinkSync('docker.sock', `${host}/run/podman.sock`);
      symlinkSync(`${host}/run`, `${host}/var/run`);
      await look();
      expect(runtimes[0]!.requests.filter((path) => path === '/containers/json')).toHaveLength(1);
    });
  });

  it('remembers the containers of a runtime that does not answer any more, as long as their processes run', async () => {
    const runtimes = new Runtimes({ timeoutMs: 200 });
    const named = async (): Promise<string[]> =>
      (await look(runtimes)).targets.filter(({ type }) => type === 'docker').map(({ name }) => name);
    {
      await using runtime = await FakeRuntime.start(docker(HOST_CONTAINERS), `${host}/run/docker.sock`);
      expect(runtime.requests).toEqual([]);
      expect(await named()).toEqual(expect.arrayContaining(['web', 'dind']));
    }
    expect(await named()).toEqual(expect.arrayContaining(['web', 'dind']));
    rmSync(`${host}/proc/111`, { recursive: true });
    const left = await named();
    expect(left).toContain('dind');
    expect(left).not.toContain('web');
    await using slow = await FakeRuntime.start(() => undefined, `${host}/run/docker.sock`);
    expect(await named()).toContain('dind');
    expect(slow.requests).toEqual(['/_ping']);
  });

  it('lists the process of a container that no runtime reports', async () => {
    expect(await named('nginx(111)')).toEqual([
      target({ name: 'nginx(111)', type: 'proc', netns: 4026532001, pid: 111, starttime: 1000 }),
    ]);
  });

  it('does not follow a symbolic link that a container has put in the place of a socket', async () => {
    await using victim = await FakeRuntime.start(docker(HOST_CONTAINERS), `${host}/victim.sock`);
    symlinkSync(`${host}/victim.sock`, `${host}/dind/run/docker.sock`);
    await look();
    expect(victim.requests).toEqual([]);
  });

  it('asks the runtime for the process of a container that no control group names', async () => {
    await using runtime = await FakeRuntime.start(
      docker([{ Id: id('5a'), Names: ['/odd'] }], { [id('5a')]: 503 }),
      `${host}/run/docker.sock`,
    );
    expect(await named('odd')).toEqual([
      target({ name: 'odd', netns: 4026532009, pid: 503, starttime: 4999 }),
    ]);
    expect(runtime.requests).toContain(`/containers/${id('5a')}/json`);
  });

  it('leaves out a runtime that hangs, reports it, and does not wait for it again', async () => {
    await using runtime = await FakeRuntime.start(() => undefined, `${host}/run/docker.sock`);
    const runtimes = new Runtimes({ timeoutMs: 500 });
    const problem =
      'cannot list the containers of the runtime at /run/docker.sock: it did not answer within 0.5 s';

    const { targets, problems } = await look(runtimes);
    expect(targets.map(({ name }) => name)).toContain('vm1');
    expect(problems).toEqual([problem]);
    expect((await look(runtimes)).problems).toEqual([problem]);
    expect(runtime.requests).toHaveLength(1);
  });

  it('asks a runtime that hung again after a pause', async () => {
    await using runtime = await FakeRuntime.start(() => undefined, `${host}/run/docker.sock`);
    const runtimes = new Runtimes({ timeoutMs: 500, pauseMs: 0 });
    await look(runtimes);
    await look(runtimes);
    expect(runtime.requests).toHaveLength(2);
  });

  it('lists no process of another instance of this service', async () => {
    // A process has its own title a moment after its start only.
    addProcess(900, { parent: 602, netns: 4026532900 });
    addProcess(901, { command: 'packetflix: fil', netns: 4026532901 });
    const { targets } = await look();
    const listed = targets.map(({ netns }) => netns);
    expect(listed).not.toContain(4026532900);
    expect(listed).not.toContain(4026532901);
  });

  describe('with claims of those who are not trusted', () => {
    const USER_SOCKET = '/run/user/1000/docker.sock';
    const POD_LABELS = { 'io.kubernetes.pod.name': 'web', 'io.kubernetes.pod.namespace': 'prod' };
    const targetsOf = async (netns: number) =>
      (await look()).targets
        .filter((each) => each.netns === netns)
        .map(({ name, type, prefix }) => ({ name, type, prefix }));
    const NOT_STOLEN = [
      { name: 'nginx(111)', type: 'proc', prefix: '' },
      { name: 'sh(113)', type: 'proc', prefix: '' },
    ];
    const STOLEN = [{ Id: id('a1'), Names: ['/stolen'] }];
    const fakes: FakeRuntime[] = [];
    const start = async (answer: RequestListener, path: string): Promise<void> =>
      void fakes.push(await FakeRuntime.start(answer, path));
    beforeEach(() => void mkdirSync(`${host}/run/user/1000`, { recursive: true }));
    afterEach(async () => {
      for (const fake of fakes.splice(0)) await fake[Symbol.asyncDispose]();
    });

    it('believes a runtime in a container only about the containers in it, and keeps the prefix of pods', async () => {
      const claimed = [
        ...STOLEN,
        { Id: id('c3'), Names: ['/x'], Labels: POD_LABELS },
        { Id: id('b2'), Names: ['/y'] },
      ];
      await using root = await FakeRuntime.start(docker(HOST_CONTAINERS), `${host}/run/docker.sock`);
      await using container = await FakeRuntime.start(docker(claimed), `${host}/dind/run/docker.sock`);
      expect(await targetsOf(4026532001)).toEqual([{ name: 'web', type: 'docker', prefix: '' }]);
      expect(await targetsOf(4026532002)).toEqual([{ name: 'dind', type: 'docker', prefix: '' }]);
      expect(await targetsOf(4026532003)).toEqual([{ name: 'prod/web', type: 'pod', prefix: 'dind' }]);
      expect([root.requests.length, container.requests.length]).not.toContain(0);
    });

    it('believes no container about others while nobody else knows them', async () => {
      await start(docker(STOLEN), `${host}/dind/run/docker.sock`);
      expect(await targetsOf(4026532001)).toEqual(NOT_STOLEN);
    });

    it('knows a container in a container by its parents when its control group is elsewhere', async () => {
      writeFileSync(`${host}/proc/203/cgroup`, `0::/docker/${id('c3')}\n`);
      await start(docker(INNER_CONTAINERS), `${host}/dind/run/docker.sock`);
      expect(await targetsOf(4026532003)).toEqual([
        { name: 'web', type: 'docker', prefix: id('b2').slice(0, 12) },
      ]);
    });

    it('believes a user only about own processes', async () => {
      const claimed = [...STOLEN, { Id: id('5a'), Names: ['/nginx'] }, { Id: id('5b'), Names: ['/own'] }];
      const pids = { [id('a1')]: 111, [id('5a')]: 503, [id('5b')]: 502 };
      await start(docker(claimed, pids), host + USER_SOCKET);
      expect(await targetsOf(4026532001)).toEqual(NOT_STOLEN);
      expect(await named('nginx')).toEqual([]);
      expect(await targetsOf(4026532011)).toEqual([{ name: 'own', type: 'docker', prefix: 'user@1000' }]);
    });

    it('believes no user about a process in a container of root, even if it is of that user', async () => {
      writeFileSync(`${host}/proc/111/status`, 'Uid:\t1000\t1000\t1000\t1000\n');
      await start(docker(STOLEN), host + USER_SOCKET);
      expect(await targetsOf(4026532001)).toEqual(NOT_STOLEN);
    });

    it("does not take a user's conmon for one of root", async () => {
      addProcess(900, {
        command: 'conmon',
        arguments: ['conmon', '-c', id('a1'), '-n', 'stolen'],
        user: 1000,
      });
      addProcess(901, { parent: 900, user: 1000, netns: 4026532900 });
      expect(await targetsOf(4026532001)).toEqual(NOT_STOLEN);
      expect(await targetsOf(4026532900)).toEqual([{ name: 'stolen', type: 'podman', prefix: 'user@1000' }]);
    });

    it('does not believe a conmon that has ended', async () => {
      addProcess(900, { command: 'conmon', arguments: ['conmon', '-c', id('a1'), '-n', 'stolen'] });
      addProcess(901, { parent: 900, netns: 4026532900 });
      rmSync(`${host}/proc/900/status`);
      expect(await named('stolen')).toEqual([]);
    });

    it('does not take a control group that a user has named for that of a container of root', async () => {
      const slice = '/user.slice/user-1000.slice/user@1000.service';
      addProcess(105, { netns: 4026532900, cgroup: `${slice}/docker-${id('a1')}.scope`, user: 1000 });
      addProcess(106, { netns: 4026532901, cgroup: `${slice}/lxc.payload.vm1`, user: 1000 });
      await start(docker(HOST_CONTAINERS), `${host}/run/docker.sock`);
      expect((await named('web')).map(({ pid }) => pid)).toEqual([111]);
      expect((await named('vm1')).map(({ pid, prefix }) => [pid, prefix])).toEqual([
        [700, ''],
        [106, 'user@1000'],
      ]);
    });

    it('does not believe a runtime that a user has put into a control group of that name', async () => {
      const cgroup = `/user.slice/user-1000.slice/user@1000.service/docker-${id('a1')}.scope`;
      addProcess(900, {
        command: 'conmon',
        arguments: ['conmon', '-c', id('5a'), '-n', 'own'],
        user: 1000,
        cgroup,
      });
      addProcess(901, { parent: 900, user: 1000, netns: 4026532900 });
      await start(docker(HOST_CONTAINERS), `${host}/run/docker.sock`);
      expect((await named('own')).map(({ pid, prefix }) => [pid, prefix])).toEqual([[901, 'user@1000']]);
      expect((await targetsOf(4026532001)).map(({ name }) => name)).toEqual(['web']);
    });

    it('does not name a container as a control group within it is named', async () => {
      addProcess(205, { parent: 200, netns: 4026532900, cgroup: `/docker/${id('b2')}/docker/${id('a1')}` });
      addProcess(206, { parent: 200, netns: 4026532901, cgroup: `/docker/${id('b2')}/lxc.payload.vm1` });
      await start(docker(HOST_CONTAINERS), `${host}/run/docker.sock`);
      expect((await named('web')).map(({ pid }) => pid)).toEqual([111]);
      expect((await named('vm1')).map(({ pid, prefix }) => [pid, prefix])).toEqual([
        [700, ''],
        [206, 'dind'],
      ]);
    });

    it('gives a mount the name of its path on the host, whatever others mount there', async () => {
      addProcess(900, { user: 1000, mountNamespace: 'mnt:[4026532950]' });
      writeFileSync(
        `${host}/proc/900/mountinfo`,
        [4026533001, 4026533000]
          .map(
            (inode, i) => `${i} 1 0:4 net:[${inode}] /run/netns/${i ? 'green' : 'blue'} rw - nsfs nsfs rw\n`,
          )
          .join(''),
      );
      expect(await targetsOf(4026533000)).toEqual([
        { name: '/mnt/café x:/run/netns/blue', type: 'bindmount', prefix: '' },
      ]);
      expect(await targetsOf(4026533001)).toEqual([
        { name: '/run/netns/blue', type: 'bindmount', prefix: 'user@1000' },
      ]);
    });

    it('asks the runtimes of a user that hang for no longer than one, and not again for a while', async () => {
      mkdirSync(`${host}/run/user/1000/podman`);
      await using one = await FakeRuntime.start(() => undefined, host + USER_SOCKET);
      await using other = await FakeRuntime.start(
        () => undefined,
        `${host}/run/user/1000/podman/podman.sock`,
      );
      const runtimes = new Runtimes({ timeoutMs: 200 });
      expect((await look(runtimes)).problems).toHaveLength(2);
      rmSync(host + USER_SOCKET);
      await using again = await FakeRuntime.start(() => undefined, host + USER_SOCKET);
      await look(runtimes);
      expect([one, other, again].map(({ requests }) => requests.length)).toEqual([1, 0, 0]);
    });

    it('leaves out a container of a user with a name over 256 bytes', async () => {
      addProcess(900, {
        command: 'conmon',
        arguments: ['conmon', '-c', id('5a'), '-n', 'x'.repeat(257)],
        user: 1000,
      });
      addProcess(901, { parent: 900, user: 1000, netns: 4026532900 });
      expect((await targetsOf(4026532900)).map(({ name }) => name)).toEqual(['x(901)']);
    });

    it('leaves out targets of those who have the most when the list becomes too long', async () => {
      const name = '\0'.repeat(15); // takes 90 bytes in JSON
      for (let i = 0; i < 30; i++) {
        addProcess(10_000 + i, { user: 1000, netns: 4026540000 + i });
      }
      const many = Array.from({ length: 100_000 }, () => name.slice(0, 8));
      const { targets, problems } = await scan({
        procRoot: `${host}/proc`,
        runtimes: new Runtimes(),
        interfaceNames: (_, netns) => (netns >= 4026540000 ? many : ['lo']),
        supervisor: SUPERVISOR,
      });
      expect(targets.length).toBeLessThan(35);
      expect(targets.map((each) => each.name)).toContain('systemd(1)');
      expect(problems).toEqual([expect.stringMatching(/^cannot list \d+ targets: /)]);
    });
  });

  function addProcess(
    pid: number,
    facts: {
      command?: string;
      parent?: number;
      user?: number;
      netns?: number;
      mountNamespace?: string;
      cgroup?: string;
      arguments?: readonly string[];
    },
  ): void {
    const folder = `${host}/proc/${pid}`;
    const { command = 'x', parent = 1, user = 0, netns = 4026531840, cgroup = '/' } = facts;
    mkdirSync(`${folder}/ns`, { recursive: true });
    const stat = readFileSync(`${host}/proc/502/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    fields[1] = String(parent);
    fields[19] = String(pid);
    writeFileSync(`${folder}/stat`, `${pid} (${command}) ${fields.join(' ')}`);
    writeFileSync(`${folder}/status`, `Uid:\t${user}\t${user}\t${user}\t${user}\n`);
    writeFileSync(`${folder}/cgroup`, `0::${cgroup}\n`);
    writeFileSync(`${folder}/cmdline`, (facts.arguments ?? []).join('\0'));
    symlinkSync(`net:[${netns}]`, `${folder}/ns/net`);
    symlinkSync(facts.mountNamespace ?? 'mnt:[4026531841]', `${folder}/ns/mnt`);
  }
});
