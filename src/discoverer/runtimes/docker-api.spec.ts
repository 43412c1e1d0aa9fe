import { describe, expect, it } from '@jest/globals';
import type { RequestListener } from 'node:http';
import { cpuTimeMs } from '../../../test/kit/cpu-time.js';
import { docker, FakeRuntime, podman } from '../../../test/fixtures/fake-runtime.js';
import { HOST, limitsOf } from './claims.js';
import { inspectProcesses, listContainers } from './docker-api.js';

const NEVER = new AbortController().signal;
const ID = 'ab'.repeat(32);

const LIMITS = limitsOf(HOST);
const LIMITS_OF_USERS = limitsOf({ path: '', user: 1000 });

async function listFrom(answer: RequestListener, limits = LIMITS) {
  await using runtime = await FakeRuntime.start(answer);
  return await listContainers(runtime.socketPath, NEVER, limits);
}

describe('The API of a runtime', () => {
  it('lists containers of Docker', async () => {
    const labels = { 'io.kubernetes.pod.name': 'web-0', 'io.kubernetes.pod.namespace': 'shop' };
    const containers = [
      { Id: ID, Names: ['/web'], Labels: labels, Image: 'shop/web:1', State: 'running', Ports: [] },
      {
        Id: ID,
        Names: ['/other/alias', '/db'],
        Labels: { ...labels, 'io.kubernetes.docker.type': 'podsandbox' },
      },
    ];
    expect(await listFrom(docker(containers))).toEqual([
      {
        id: ID,
        type: 'docker',
        name: 'web',
        labels,
        image: 'shop/web:1',
        pod: { name: 'shop/web-0', sandbox: false },
      },
      {
        ...{ id: ID, type: 'docker', name: 'db', pod: { name: 'shop/web-0', sandbox: true } },
        labels: { ...labels, 'io.kubernetes.docker.type': 'podsandbox' },
      },
    ]);
  });

  it('lists containers of Podman, with their processes', async () => {
    const containers = [{ Id: ID, Names: ['web'], Labels: null, Pid: 4711 }];
    expect(await listFrom(podman(containers))).toEqual([{ id: ID, type: 'podman', name: 'web', pid: 4711 }]);
  });

  it.each(['[]', 'null'])('may list no containers: %s', async (list) => {
    expect(await listFrom(docker(JSON.parse(list)))).toEqual([]);
  });

  it.each(['café', '数据库', 'контейнер', 'حاوية', '🐳', 'a b', '__proto__', 'x'.repeat(4000)])(
    'returns the name %s unchanged',
    async (name) => {
      expect((await listFrom(docker([{ Id: ID, Names: [`/${name}`] }])))[0]?.name).toBe(name);
    },
  );

  it('lists at most 128 labels of a container, and only those whose value is a string of reasonable length', async () => {
    const labels = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`label-${i}`, 'x']));
    const odd = {
      Id: ID,
      Names: ['/web'],
      Labels: { app: 5, long: 'x'.repeat(2_000), tier: 'web', ...labels },
      Image: {},
    };
    const [container] = await listFrom(docker([odd]));
    expect(Object.keys(container?.labels ?? {}).slice(0, 2)).toEqual(['tier', 'label-0']);
    expect(Object.keys(container?.labels ?? {})).toHaveLength(128);
    expect(container?.image).toBeUndefined();
  });

  it('lists 10,000 containers in less than a second of processor time', async () => {
    const containers = Array.from({ length: 10_000 }, (_, i) => ({
      Id: i.toString(16).padStart(64, '0'),
      Names: [`/container-${i}`],
      Labels: { description: 'x'.repeat(500) },
    }));
    const begin = cpuTimeMs();
    expect(await listFrom(docker(containers))).toHaveLength(10_000);
    expect(cpuTimeMs() - begin).toBeLessThan(1_000);
  });

  it.each<[string, unknown]>([
    ['a number', 7],
    ['null', null],
    ['an array', []],
    ['a container without an id', { Names: ['/x'] }],
    ['a container with a malformed id', { Id: '../../evil', Names: ['/x'] }],
    ['a container whose id is a number', { Id: 7, Names: ['/x'] }],
    ['a container without names', { Id: ID }],
    ['a container whose names are no strings', { Id: ID, Names: [7, null] }],
    ['a container with an empty name', { Id: ID, Names: ['/'] }],
  ])('leaves out %s', async (_, container) => {
    const good = { Id: ID, Names: ['/good'], Labels: 'nonsense', Pid: -1 };
    expect(await listFrom(docker([container, good]))).toEqual([{ id: ID, type: 'docker', name: 'good' }]);
  });

  it.each<[string, RequestListener, RegExp]>([
    ['is not JSON', (_request, response) => response.end('[{"Id":'), /not JSON/],
    ['is not a list', docker({ message: 'hello' }), /not a list of containers/],
    ['is a list without containers', docker([1, 2, 3]), /not a list of containers/],
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
    ['is not HTTP', (request) => void request.socket.end('SSH-2.0-OpenSSH_9.2\r\n'), /broke off its answer/],
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

  it.each<[string, unknown]>([
    ['a name over 256 bytes', { Id: ID, Names: [`/${'é'.repeat(129)}`] }],
    [
      'a pod with such a name',
      {
        Id: ID,
        Names: ['/x'.repeat(200)],
        Labels: { 'io.kubernetes.pod.name': 'x'.repeat(257), 'io.kubernetes.pod.namespace': 'shop' },
      },
    ],
  ])('of a user or a container does not list %s', async (_, container) => {
    const good = { Id: ID, Names: [`/${'é'.repeat(128)}`] };
    expect(await listFrom(docker([container, good]), LIMITS_OF_USERS)).toEqual([
      { id: ID, type: 'docker', name: 'é'.repeat(128) },
    ]);
  });

  it('of a user or a container is not read beyond 2 MiB, nor beyond 1000 containers', async () => {
    const many = Array.from({ length: 2_000 }, () => ({ Id: ID, Names: ['/x'] }));
    expect(await listFrom(docker(many), LIMITS_OF_USERS)).toHaveLength(1_000);
    const padded = [{ Id: ID, Names: ['/x'], Labels: { padding: 'x'.repeat(2 * 1024 * 1024) } }];
    await expect(listFrom(docker(padded), LIMITS_OF_USERS)).rejects.toThrow('more than 2 MiB');
  });

  it('reports a socket without a listener as a runtime that does not run', async () => {
    await expect(listContainers('/nonexistent/docker.sock', NEVER, LIMITS)).rejects.toThrow('does not run');
  });

  it('inspects the processes of containers that the runtime reports', async () => {
    await using runtime = await FakeRuntime.start(docker([], { one: 11, none: 0 }));
    const pids = await inspectProcesses(runtime.socketPath, ['one', 'none', 'gone'], NEVER, LIMITS);
    expect([...pids]).toEqual([['one', 11]]);
  });
});
