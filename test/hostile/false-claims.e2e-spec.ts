import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listTargets, type ListedTarget } from '../discovery/listed-targets.js';
import { docker as answersLikeDocker, FakeRuntime } from '../fixtures/fake-runtime.js';
import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_NOT_FOUND } from '../kit/close-codes.js';
import { ContainerRuntime, whyRuntimesCannotRun } from '../kit/container-runtimes.js';
import { eventually } from '../kit/eventually.js';
import { sendPackets } from '../kit/packets.js';
import { reportSkipped } from '../kit/required-programs.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

const STARTUP_TIMEOUT_MS = 60_000;
/** A user that no system has. */
const USER = 3_999_999_999;

const obstacle = await whyRuntimesCannotRun();
if (obstacle !== undefined) reportSkipped('tests with real container runtimes', [obstacle]);
const describeWithRuntimes = obstacle === undefined ? describeAsRoot : describe.skip;

const pod = (name: string) => ({ 'io.kubernetes.pod.name': name, 'io.kubernetes.pod.namespace': 'prod' });

describeWithRuntimes('When a container and a user pretend to run Docker', () => {
  const service = serviceForAllTests(['--local-discovery']);
  let docker: ContainerRuntime;
  const fakes: FakeRuntime[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'packetflix-'));

  beforeAll(async () => {
    docker = await ContainerRuntime.docker();
    const labels = (name: string): string[] =>
      Object.entries(pod(name)).flatMap(([key, value]) => ['--label', `${key}=${value}`]);
    await docker.start('web', ...labels('web'));
    await docker.start('db', ...labels('db'));
    // Everything in it is at the attacker's disposal, and it can call its processes as it likes.
    const program = 'printf dockerd >/proc/self/comm; while true; do /bin/busybox sleep 1000; done';
    const options = ['--detach', '--name', 'evil', '--network', 'none', '--volume', `${folder}:/run`];
    await docker.cli('run', ...options, 'localhost/packetflix-test', '/bin/busybox', 'sh', '-c', program);

    const idOf = async (name: string) => (await docker.cli('inspect', '--format', '{{.Id}}', name)).trim();
    const [web, db, evil] = await Promise.all(['web', 'db', 'evil'].map(idOf));
    const claims = [
      { Id: db, Names: ['/k8s_web'], Labels: pod('web') },
      { Id: web, Names: ['/hidden'] },
      { Id: evil, Names: ['/fake'], Labels: pod('web') },
    ];
    const pids = { [db ?? '']: await docker.pidOf('db'), [web ?? '']: await docker.pidOf('web') };
    fakes.push(await FakeRuntime.start(answersLikeDocker(claims, pids), join(folder, 'docker.sock')));
    fakes.push(await FakeRuntime.ofUser(USER, answersLikeDocker(claims, pids)));
  }, STARTUP_TIMEOUT_MS);
  afterAll(async () => {
    for (const fake of fakes) await fake[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
    await docker?.[Symbol.asyncDispose]();
  }, STARTUP_TIMEOUT_MS);

  const targetsOf = async (name: string): Promise<ListedTarget[]> => {
    const pid = await docker.pidOf(name);
    return (await listTargets(service.current)).filter((target) => target.pid === pid);
  };

  it('both are asked, and neither is believed about containers of others', async () => {
    await eventually('a question to both', async () => {
      await listTargets(service.current);
      return fakes.every(({ requests }) => requests.includes('/containers/json'));
    });
    expect(await targetsOf('web')).toMatchObject([{ name: 'prod/web', type: 'pod', prefix: '' }]);
    expect(await targetsOf('db')).toMatchObject([{ name: 'prod/db', type: 'pod', prefix: '' }]);
    expect(await targetsOf('evil')).toMatchObject([{ name: 'evil', type: 'docker', prefix: '' }]);
  });

  it('a capture by name gets the packets of the container of that name, and no others', async () => {
    const namespaces = {
      web: await docker.wiredNamespaceOf('web'),
      db: await docker.wiredNamespaceOf('db'),
      evil: await docker.wiredNamespaceOf('evil'),
    };
    const container = { name: 'prod/web', type: 'pod', 'network-interfaces': ['eth1'] };
    await using client = await CaptureClient.open(service.current, { container });
    await client.described('eth1');
    await sendPackets(namespaces.db, { interface: 'eth0', count: 10, flow: 1 });
    await sendPackets(namespaces.evil, { interface: 'eth0', count: 10, flow: 2 });
    await sendPackets(namespaces.web, { interface: 'eth0', count: 10, flow: 3 });
    await client.received(10, 3);
    expect(client.packets).toHaveLength(10);
  });

  it('a name that only they have leads nowhere', async () => {
    for (const name of ['hidden', 'k8s_web', 'fake']) {
      await using client = await CaptureClient.open(service.current, { container: { name } });
      expect((await client.ended()).code).toBe(CLOSE_NOT_FOUND);
    }
  });
});
