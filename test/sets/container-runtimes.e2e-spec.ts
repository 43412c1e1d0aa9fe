import { CaptureClient } from '../kit/capture-client.js';
import { ContainerRuntime, whyRuntimesCannotRun } from '../kit/container-runtimes.js';
import { sendPackets } from '../kit/packets.js';
import { reportSkipped } from '../kit/required-programs.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';
import { listSets } from '../discovery/listed-targets.js';
import { commentsOf } from './set-members.js';

const STARTUP_TIMEOUT_MS = 60_000;
/** The contract: within 2 s. The rest is for a busy machine. */
const CHANGE_MS = 8_000;

const obstacle = await whyRuntimesCannotRun();
if (obstacle !== undefined) reportSkipped('tests of sets with real container runtimes', [obstacle]);
const describeWithRuntimes = obstacle === undefined ? describeAsRoot : describe.skip;

describeWithRuntimes('A set of containers of Docker and Podman', () => {
  const service = serviceForAllTests(['--local-discovery', '--target-set', 'web=[{"labels":{"app":"web"}}]']);
  let docker: ContainerRuntime;
  let podman: ContainerRuntime;
  beforeAll(async () => {
    [docker, podman] = await Promise.all([ContainerRuntime.docker(), ContainerRuntime.podman()]);
  }, STARTUP_TIMEOUT_MS);
  afterAll(() => docker?.[Symbol.asyncDispose](), STARTUP_TIMEOUT_MS);
  afterAll(() => podman?.[Symbol.asyncDispose](), STARTUP_TIMEOUT_MS);

  const ofProject = (project: string): string[] => ['--label', `com.docker.compose.project=${project}`];
  let flow = 0;

  /** Sends packets into a container and expects them in the stream, from the interface of that name. */
  async function expectPackets(
    client: CaptureClient,
    runtime: ContainerRuntime,
    name: string,
    shown = name,
  ): Promise<void> {
    const namespace = await runtime.wiredNamespaceOf(name);
    flow++;
    const lives = (): number => client.interfaceNames.filter((each) => each === `${shown}:eth1`).length;
    const before = lives();
    await client.until(`${shown}:eth1`, () => lives() > 0 && lives() >= before, CHANGE_MS);
    await sendPackets(namespace, { interface: 'eth0', count: 10, flow });
    await client.received(20, flow);
    const from = new Set(client.tagged(flow).map((packet) => packet.interface.name));
    expect(from).toEqual(new Set([`${shown}:eth0`, `${shown}:eth1`]));
    await namespace.link('delete eth0');
  }

  it('follows restarts, new and renamed containers, and those that end, in one stream', async () => {
    await docker.start('shop-web-1', ...ofProject('shop'));
    await docker.start('shop-db-1', ...ofProject('shop'));
    await docker.start('other', ...ofProject('other'));
    // Other test files have containers at the same time.
    const sets = (await listSets(service.current)).filter(
      (name) => !/^compose:(?!other|shop)|^namespace:/.test(name),
    );
    expect(sets).toEqual(['*', 'web', 'compose:other', 'compose:shop']);

    // As csharg sends it.
    const headers = {
      'Clustershark-Container': '{"name":"compose:shop","type":"set","network-interfaces":["any"]}',
    };
    await using client = await CaptureClient.open(service.current, {}, { headers });
    await client.described('shop-web-1:lo', 'shop-db-1:lo');
    await expectPackets(client, docker, 'shop-web-1');

    await docker.cli('restart', '--time', '0', 'shop-web-1');
    const livesOf = (name: string) => client.interfaceNames.filter((each) => each === `${name}:lo`).length;
    await client.until('the second life', () => livesOf('shop-web-1') === 2, CHANGE_MS);
    await expectPackets(client, docker, 'shop-web-1');

    await docker.start('shop-cache-1', ...ofProject('shop'));
    await client.until('a new container', () => livesOf('shop-cache-1') === 1, CHANGE_MS);
    await docker.cli('rename', 'shop-cache-1', 'shop-redis-1');
    const says = (pattern: RegExp) => () => commentsOf(client).some((text) => pattern.test(text));
    await client.until('the new name', says(/shop-cache-1: is now docker shop-redis-1/), CHANGE_MS);

    await docker.cli('rm', '--force', 'shop-db-1');
    await client.until('the end', says(/docker shop-db-1.*: left, it has ended/), CHANGE_MS);
    await expectPackets(client, docker, 'shop-web-1');
    expect(client.interfaceNames.filter((name) => name?.startsWith('other'))).toEqual([]);
    expect(client.comments[0]).toContain('container-name: compose:shop\ncontainer-type: set\n');
  });

  it('has members of both, by label', async () => {
    await docker.start('both-1', '--label', 'app=web');
    await podman.start('both-2', '--label', 'app=web');
    await podman.start('both-3', '--label', 'app=db');
    await using client = await CaptureClient.open(service.current, {
      container: { name: 'web', type: 'set' },
    });
    await client.described('both-1:lo', 'both-2:lo');
    await expectPackets(client, podman, 'both-2');
    await podman.cli('restart', '--time', '0', 'both-2');
    await client.until(
      'the second life',
      () => client.interfaceNames.filter((name) => name === 'both-2:lo').length === 2,
      CHANGE_MS,
    );
    expect(client.interfaceNames.filter((name) => name?.startsWith('both-3'))).toEqual([]);
  });

  it('is not needed to follow a single container through its restarts', async () => {
    await docker.start('single');
    await using client = await CaptureClient.open(service.current, {
      container: { name: 'single' },
      follow: true,
    });
    await client.described('lo');
    await docker.cli('restart', '--time', '0', 'single');
    await client.until('the second life', () => client.interfaceNames.length === 2, CHANGE_MS);
    expect(client.interfaceNames).toEqual(['lo', 'lo']);
  });

  it('never takes the name of another container for one that a runtime in a container claims', async () => {
    await docker.start('victim', '--label', 'app=shop');
    await using inner = await docker.dockerInside('evil');
    await inner.start('victim', '--label', 'app=shop');
    const targets = JSON.stringify([{ labels: { app: 'shop' } }]);
    await using client = await CaptureClient.open(service.current, { targets });
    await client.described('victim:lo', 'victim in evil:lo');
    await expectPackets(client, docker, 'victim');
    await expectPackets(client, inner, 'victim', 'victim in evil');
  });
});
