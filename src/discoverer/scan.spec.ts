import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { docker, FakeEngine } from '../../test/fixtures/fake-engine.js';
import { Engines } from './runtimes/runtimes.js';
import { scan, type InterfaceNames } from './scan.js';
import type { Target } from './target.js';

/** Invented, but in every file as a real host would have it. */
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

describe('A look around', () => {
  let host: string;
  beforeEach(() => {
    host = mkdtempSync(join(tmpdir(), 'host-'));
    cpSync(HOST, host, { recursive: true, verbatimSymlinks: true });
  });
  afterEach(() => rmSync(host, { recursive: true }));

  const look = (engines = new Engines()) =>
    scan({ procRoot: `${host}/proc`, engines, interfaceNames, supervisor: SUPERVISOR });
  const named = async (name: string) => (await look()).targets.filter((each) => each.name === name);

  describe('with Docker, and Docker in Docker', () => {
    const engines: FakeEngine[] = [];
    beforeEach(async () => {
      engines.push(await FakeEngine.start(docker(HOST_CONTAINERS), `${host}/run/docker.sock`));
      engines.push(await FakeEngine.start(docker(INNER_CONTAINERS), `${host}/dind/run/docker.sock`));
    });
    afterEach(async () => {
      for (const engine of engines.splice(0)) await engine[Symbol.asyncDispose]();
    });

    it('finds everything that there is to capture from, and nothing else', async () => {
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

    it('asks an engine that several paths lead to only once', async () => {
      symlinkSync('docker.sock', `${host}/run/podman.sock`);
      symlinkSync(`${host}/run`, `${host}/var/run`);
      await look();
      expect(engines[0]!.requests.filter((path) => path === '/containers/json')).toHaveLength(1);
    });
  });

  it('lists what runs in a container as a process where nobody knows the container', async () => {
    expect(await named('nginx(111)')).toEqual([
      target({ name: 'nginx(111)', type: 'proc', netns: 4026532001, pid: 111, starttime: 1000 }),
    ]);
  });

  it('does not follow what a container has laid instead of a socket', async () => {
    await using victim = await FakeEngine.start(docker(HOST_CONTAINERS), `${host}/victim.sock`);
    symlinkSync(`${host}/victim.sock`, `${host}/dind/run/docker.sock`);
    await look();
    expect(victim.requests).toEqual([]);
  });

  it('tells the processes of an engine that its control groups do not', async () => {
    await using engine = await FakeEngine.start(
      docker([{ Id: id('5a'), Names: ['/odd'] }], { [id('5a')]: 503 }),
      `${host}/run/docker.sock`,
    );
    expect(await named('odd')).toEqual([
      target({ name: 'odd', netns: 4026532009, pid: 503, starttime: 4999 }),
    ]);
    expect(engine.requests).toContain(`/containers/${id('5a')}/json`);
  });

  it('does without an engine that hangs, says so, and does not wait for it again', async () => {
    await using engine = await FakeEngine.start(() => undefined, `${host}/run/docker.sock`);
    const engines = new Engines({ timeoutMs: 100 });
    const problem = 'no containers of the engine at /run/docker.sock: it did not answer within 0.1 s';

    const { targets, problems } = await look(engines);
    expect(targets.map(({ name }) => name)).toContain('vm1');
    expect(problems).toEqual([problem]);
    expect((await look(engines)).problems).toEqual([problem]);
    expect(engine.requests).toHaveLength(1);
  });

  it('asks an engine that hung again after a while', async () => {
    await using engine = await FakeEngine.start(() => undefined, `${host}/run/docker.sock`);
    const engines = new Engines({ timeoutMs: 50, pauseMs: 0 });
    await look(engines);
    await look(engines);
    expect(engine.requests).toHaveLength(2);
  });
});
