import { CaptureClient } from '../kit/capture-client.js';
import { ContainerRuntime, whyRuntimesCannotRun } from '../kit/container-runtimes.js';
import { sendPackets } from '../kit/packets.js';
import type { Packet } from '../kit/pcapng.js';
import { reportSkipped } from '../kit/required-programs.js';
import { describeAsRoot } from '../kit/root.js';
import { readWithWireshark, Recording, tsharkFields } from '../kit/second-opinion.js';
import { serviceForAllTests } from '../kit/service.js';

const STARTUP_TIMEOUT_MS = 60_000;
/** The contract: within 2 s. The rest is for a busy machine. */
const CHANGE_MS = 15_000;
const CONTAINERS = 10;
const PACKETS = 200;
const PROJECT = ['--label', 'com.docker.compose.project=ten'];

const obstacle = await whyRuntimesCannotRun();
if (obstacle !== undefined) reportSkipped('tests of sets with real container runtimes', [obstacle]);
const describeWithRuntimes = obstacle === undefined ? describeAsRoot : describe.skip;

describeWithRuntimes('Ten containers of a Compose project, captured as a set', () => {
  const service = serviceForAllTests();
  let docker: ContainerRuntime;
  beforeAll(async () => {
    docker = await ContainerRuntime.docker();
  }, STARTUP_TIMEOUT_MS);
  afterAll(() => docker?.[Symbol.asyncDispose](), STARTUP_TIMEOUT_MS);

  let flow = 0;

  /**
   * Sends packets within a container and expects in the stream what dumpcap sees in its namespace.
   *
   * @param shown name in the stream
   * @param life how often the container has been started
   */
  async function expectLife(client: CaptureClient, name: string, shown = name, life = 1): Promise<void> {
    const namespace = await docker.wiredNamespaceOf(name);
    const idsOf = () => client.interfaces.filter((each) => each.name === `${shown}:eth1`).map(({ id }) => id);
    await client.until(`life ${life} of ${shown}`, () => idsOf().length === life, CHANGE_MS);
    const id = idsOf().at(-1);
    const own = ++flow;
    await using recording = await Recording.start(namespace, 'eth1', PACKETS);
    await sendPackets(namespace, { interface: 'eth0', count: PACKETS, flow: own, sizes: [60, 333, 1_500] });
    await client.received(2 * PACKETS, own);

    const captured = client.tagged(own).filter((packet) => packet.interface.id === id);
    const textOf = ({ data }: Packet): string => data.toString('hex');
    expect(captured.map(textOf)).toEqual((await recording.packets()).map(textOf));
    const times = captured.map(({ timestamp }) => timestamp);
    expect(times).toEqual([...times].sort((a, b) => Number(a - b)));
    await namespace.link('delete eth0');
  }

  it('are in the stream with each packet of each life, while two restart, one is added, removed and renamed', async () => {
    const names = Array.from({ length: CONTAINERS }, (_, index) => `ten-${index}`);
    for (const name of names) await docker.start(name, ...PROJECT);
    const container = { name: 'compose:ten', type: 'set' };
    await using client = await CaptureClient.open(service.current, { container });
    await client.described(...names.map((name) => `${name}:lo`));
    await Promise.all(names.map((name) => expectLife(client, name)));

    await docker.cli('restart', '--time', '0', 'ten-0', 'ten-1');
    await docker.cli('rm', '--force', 'ten-2');
    await docker.cli('rename', 'ten-3', 'ten-x');
    await docker.start('ten-10', ...PROJECT);
    await Promise.all([
      ...['ten-0', 'ten-1'].map((name) => expectLife(client, name, name, 2)),
      expectLife(client, 'ten-x', 'ten-3', 2), // the wire is new, too
      expectLife(client, 'ten-10'),
      ...names.slice(4).map((name) => expectLife(client, name, name, 2)),
    ]);

    const { packets, interfaces } = await readWithWireshark(client.stream);
    expect({ packets, interfaces }).toEqual({
      packets: client.packets.length,
      interfaces: client.interfaces.length,
    });
    const shown = new Set((await tsharkFields(client.stream, 'frame.interface_name')).flat());
    const all = [...names, 'ten-10'].flatMap((name) => [`${name}:eth0`, `${name}:eth1`]);
    expect([...shown].sort()).toEqual(all.sort());
  }, 120_000);
});
