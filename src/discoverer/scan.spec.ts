import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
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
          target({ name: 'store/shop-0', type: 'pod', netns: 4026532005, pid: 401, starttime: 4001 }),
          target({ name: 'vm1', type: 'lxc', netns: 4026532007, pid: 700, starttime: 7000 }),
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
});
