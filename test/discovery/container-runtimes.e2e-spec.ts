import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_STALE_OR_AMBIGUOUS } from '../kit/close-codes.js';
import { sendPackets } from '../kit/packets.js';
import { reportSkipped } from '../kit/required-programs.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';
import { ContainerRuntime, whyRuntimesCannotRun } from '../kit/container-runtimes.js';
import { listTargets, type ListedTarget } from './listed-targets.js';

const STARTUP_TIMEOUT_MS = 60_000;

const obstacle = await whyRuntimesCannotRun();
if (obstacle !== undefined) reportSkipped('tests with real container runtimes', [obstacle]);
const describeWithRuntimes = obstacle === undefined ? describeAsRoot : describe.skip;

describeWithRuntimes('With Docker and Podman, which both have a container named "web"', () => {
  const service = serviceForAllTests(['--local-discovery']);
  let docker: ContainerRuntime;
  let podman: ContainerRuntime;
  beforeAll(async () => {
    [docker, podman] = await Promise.all([ContainerRuntime.docker(), ContainerRuntime.podman()]);
    await Promise.all([docker.start('web'), podman.start('web')]);
  }, STARTUP_TIMEOUT_MS);
  afterAll(() => docker?.[Symbol.asyncDispose](), STARTUP_TIMEOUT_MS);
  afterAll(() => podman?.[Symbol.asyncDispose](), STARTUP_TIMEOUT_MS);

  const targets = async (name: string): Promise<ListedTarget[]> =>
    (await listTargets(service.current)).filter((target) => target.name === name);
  const targetOf = async ({ type }: ContainerRuntime): Promise<ListedTarget | undefined> =>
    (await targets('web')).find((target) => target.type === type && target.prefix === '');

  /** Sends packets into one container and expects a capture to receive these and no others. */
  async function expectPackets(runtime: ContainerRuntime, container: object, flow: number): Promise<void> {
    const namespace = await runtime.wiredNamespaceOf('web');
    try {
      const wanted = { ...container, 'network-interfaces': ['eth1'] };
      await using client = await CaptureClient.open(service.current, { container: wanted });
      await client.described('eth1');
      await sendPackets(namespace, { interface: 'eth0', count: 10, flow });
      await client.received(10, flow);
    } finally {
      await namespace.link('delete eth0');
    }
  }

  it('each is listed with its type and its process', async () => {
    for (const runtime of [docker, podman]) {
      const target = await targetOf(runtime);
      expect(target).toMatchObject({ pid: await runtime.pidOf('web'), 'network-interfaces': ['lo'] });
    }
    expect((await targetOf(docker))?.netns).not.toBe((await targetOf(podman))?.netns);
    expect(await targets('sleep')).toEqual([]);
  });

  it('each can be captured by its name and type', async () => {
    await expectPackets(docker, { name: 'web', type: 'docker' }, 1);
    await expectPackets(podman, { name: 'web', type: 'podman' }, 2);
  });

  it('the name alone is ambiguous', async () => {
    await using client = await CaptureClient.open(service.current, { container: { name: 'web' } });
    const { code, reason } = await client.ended();
    expect(code).toBe(CLOSE_STALE_OR_AMBIGUOUS);
    expect(reason).toMatch(/docker.*podman|podman.*docker/);
  });

  it('each can be captured by its listed attributes', async () => {
    await expectPackets(docker, (await targetOf(docker)) ?? {}, 3);
    await expectPackets(podman, (await targetOf(podman)) ?? {}, 4);
  });

  it('each is found after its restart by what was listed before', async () => {
    for (const [flow, runtime] of [docker, podman].entries()) {
      const before = await targetOf(runtime);
      await runtime.cli('restart', '--time', '0', 'web');
      const after = await targetOf(runtime);
      expect(after?.pid).not.toBe(before?.pid);
      await expectPackets(runtime, { ...before }, 5 + flow);
    }
  });

  it('a pod is one target for all its containers', async () => {
    const labels = ['pod.name=shop-0', 'pod.namespace=store'].flatMap((label) => [
      '--label',
      `io.kubernetes.${label}`,
    ]);
    await docker.start('sandbox', ...labels, '--label', 'io.kubernetes.docker.type=podsandbox');
    const shared = await docker.cli('inspect', '--format', '{{.Id}}', 'sandbox');
    const options = ['--network', `container:${shared.trim()}`, ...labels];
    await docker.cli('run', '--detach', ...options, 'localhost/packetflix-test', '/bin/sleep', '100000');

    expect(await targets('store/shop-0')).toMatchObject([
      { type: 'pod', pid: await docker.pidOf('sandbox'), prefix: '' },
    ]);
    expect(await targets('sandbox')).toEqual([]);
  });

  it('containers of Podman are found by their conmon processes when Podman serves no API', async () => {
    await using silent = await ContainerRuntime.podman({ service: false });
    await silent.start('silent');
    expect(await targets('silent')).toMatchObject([{ type: 'podman', pid: await silent.pidOf('silent') }]);
  });

  it('a container of a runtime in a container is distinguished by the outer container', async () => {
    await using inner = await docker.dockerInside('dind');
    await inner.start('web');

    const { pid = 0 } = (await targets('web')).find(({ prefix }) => prefix === 'dind') ?? {};
    expect(pid).toBe(await inner.pidOf('web'));
    await expectPackets(inner, { name: 'web', prefix: 'dind' }, 7);
  });
});
