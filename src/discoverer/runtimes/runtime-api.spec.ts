import { describe, expect, it } from '@jest/globals';
import type { RequestListener } from 'node:http';
import { docker, FakeEngine, podman } from '../../../test/fixtures/fake-engine.js';
import { inspectProcesses, listContainers } from './runtime-api.js';

const NEVER = new AbortController().signal;
const ID = 'ab'.repeat(32);

async function listFrom(answer: RequestListener) {
  await using engine = await FakeEngine.start(answer);
  return await listContainers(engine.socketPath, NEVER);
}

describe('The programming interface of an engine', () => {
  it('lists containers of Docker', async () => {
    const labels = { 'io.kubernetes.pod.name': 'web-0', 'io.kubernetes.pod.namespace': 'shop' };
    const containers = [
      { Id: ID, Names: ['/web'], Labels: labels, State: 'running', Ports: [] },
      {
        Id: ID,
        Names: ['/other/alias', '/db'],
        Labels: { ...labels, 'io.kubernetes.docker.type': 'podsandbox' },
      },
    ];
    expect(await listFrom(docker(containers))).toEqual([
      { id: ID, type: 'docker', name: 'web', pod: { name: 'shop/web-0', sandbox: false } },
      { id: ID, type: 'docker', name: 'db', pod: { name: 'shop/web-0', sandbox: true } },
    ]);
  });

  it('lists containers of Podman, with their processes', async () => {
    const containers = [{ Id: ID, Names: ['web'], Labels: null, Pid: 4711 }];
    expect(await listFrom(podman(containers))).toEqual([{ id: ID, type: 'podman', name: 'web', pid: 4711 }]);
  });

  it.each(['[]', 'null'])('may have none: %s', async (list) => {
    expect(await listFrom(docker(JSON.parse(list)))).toEqual([]);
  });

  it.each(['café', '数据库', 'контейнер', 'حاوية', '🐳', 'a b', '__proto__', 'x'.repeat(4000)])(
    'takes the name %s as it is',
    async (name) => {
      expect((await listFrom(docker([{ Id: ID, Names: [`/${name}`] }])))[0]?.name).toBe(name);
    },
  );

  it('lists 10,000 containers in less than a second', async () => {
    const containers = Array.from({ length: 10_000 }, (_, i) => ({
      Id: i.toString(16).padStart(64, '0'),
      Names: [`/container-${i}`],
      Labels: { description: 'x'.repeat(500) },
    }));
    const begin = performance.now();
    expect(await listFrom(docker(containers))).toHaveLength(10_000);
    expect(performance.now() - begin).toBeLessThan(1_000);
  });

  it.each<[string, unknown]>([
    ['no object', 7],
    ['null', null],
    ['an array', []],
    ['no id', { Names: ['/x'] }],
    ['an id that is none', { Id: '../../evil', Names: ['/x'] }],
    ['an id that is a number', { Id: 7, Names: ['/x'] }],
    ['no names', { Id: ID }],
    ['names that are none', { Id: ID, Names: [7, null] }],
    ['an empty name', { Id: ID, Names: ['/'] }],
  ])('leaves out a container that is %s', async (_, container) => {
    const good = { Id: ID, Names: ['/good'], Labels: 'nonsense', Pid: -1 };
    expect(await listFrom(docker([container, good]))).toEqual([{ id: ID, type: 'docker', name: 'good' }]);
  });

  it.each<[string, RequestListener, RegExp]>([
    ['is not JSON', (_request, response) => response.end('[{"Id":'), /not JSON/],
    ['is no list', docker({ message: 'hello' }), /something else than a list/],
    ['is a list of other things', docker([1, 2, 3]), /something else than a list/],
    ['is an error', (_request, response) => response.writeHead(500).end('{}'), /HTTP status 500/],
    [
      'is a redirect',
      (_request, response) => response.writeHead(302, { location: '/' }).end(),
      /HTTP status 302/,
    ],
    [
      'breaks off',
      (_request, response) => void response.write('[', () => response.destroy()),
      /broke off its answer/,
    ],
    ['is no HTTP', (request) => void request.socket.end('SSH-2.0-OpenSSH_9.2\r\n'), /broke off its answer/],
    [
      'never ends',
      (_request, response) => {
        const piece = Buffer.alloc(1024 * 1024, ' ');
        const more = (): void => void (response.destroyed || response.write(piece, more));
        more();
      },
      /more than 64 MiB/,
    ],
  ])('is refused when its answer %s', async (_, answer, message) => {
    await expect(listFrom(answer)).rejects.toThrow(message);
  });

  it('is told apart from a socket where nobody listens', async () => {
    await expect(listContainers('/nonexistent/docker.sock', NEVER)).rejects.toThrow('does not run');
  });

  it('tells the processes of some containers, as far as it knows them', async () => {
    await using engine = await FakeEngine.start(docker([], { one: 11, none: 0 }));
    const pids = await inspectProcesses(engine.socketPath, ['one', 'none', 'gone'], NEVER);
    expect([...pids]).toEqual([['one', 11]]);
  });
});
