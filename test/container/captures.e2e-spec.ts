import { readdirSync, readFileSync } from 'node:fs';
import { CaptureClient, type CaptureParameters } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { exists, isAlive, processTree, procLink } from '../kit/processes.js';
import { listTargets, type ListedTarget } from '../discovery/listed-targets.js';
import { DeployedService } from './deployed-service.js';
import { describeWithImage, dockerWithImage, podmanWithImage } from './describe-with-image.js';

/** Other test files start containers at the same time: names must differ. */
const NAME = 'captured';
const CLOSE_NORMAL = 1000;
const START_TIMEOUT_MS = 120_000;

describe.each([
  ['Docker', dockerWithImage],
  ['Podman', podmanWithImage],
])('With %s', (_, withImage) => {
  describeWithImage('the service in a container that Compose has started, next to another container,', () => {
    const container = withImage();
    let service: DeployedService;
    let web: NetworkNamespace;

    beforeAll(async () => {
      service = await container.use(DeployedService.up(container.runtime));
      // Podman is configured with the profile of the service for all its containers.
      await container.runtime.start(NAME, '--security-opt', 'seccomp=unconfined');
      web = await container.runtime.wiredNamespaceOf(NAME);
    }, START_TIMEOUT_MS);

    const target = async (name: string): Promise<ListedTarget> =>
      await eventually(`target ${name}`, async () =>
        (await listTargets(service)).find((each) => each.name === name),
      );

    /** Sends packets into eth0 and expects a capture to receive them from eth1, the other end of the wire. */
    async function expectPackets(parameters: CaptureParameters, flow: number): Promise<void> {
      await using client = await CaptureClient.open(service, parameters);
      await client.described('eth1');
      await sendPackets(web, { interface: 'eth0', count: 10, flow });
      await client.receivedFrom('eth1', flow);
      expect(await client.close()).toMatchObject({ code: CLOSE_NORMAL });
    }

    it('is healthy', async () => {
      const { runtime, containerId } = service;
      const check = ['node', 'healthcheck.mjs'];
      expect(await runtime.cli('exec', containerId, ...check)).toBe('');
      await expect(runtime.cli('exec', '--env', 'PACKETFLIX_PORT=2', containerId, ...check)).rejects.toThrow(
        /ECONNREFUSED/,
      );
    });

    it('captures from the container by name', async () => {
      await expectPackets({ container: { name: NAME } }, 1);
    });

    it('captures from the container by its network namespace', async () => {
      await expectPackets({ netns: web.inode }, 2);
    });

    it('captures from the container as listed, on two interfaces', async () => {
      const listed = await target(NAME);
      expect([...listed['network-interfaces']].sort()).toEqual(['eth0', 'eth1', 'lo']);
      await using client = await CaptureClient.open(service, {
        container: { ...listed, 'network-interfaces': ['eth0', 'eth1'] },
      });
      await client.described('eth0', 'eth1');
      await sendPackets(web, { interface: 'eth0', count: 10, flow: 3 });
      await client.receivedFrom('eth0', 3);
      await client.receivedFrom('eth1', 3);
    });

    it('captures only packets that match the filter', async () => {
      const filter = 'udp port 4711';
      await using client = await CaptureClient.open(service, { netns: web.inode, nif: 'eth1', filter });
      await client.described('eth1');
      await sendPackets(web, { interface: 'eth0', count: 10, flow: 40, udpPort: 4712 });
      await sendPackets(web, { interface: 'eth0', count: 10, flow: 4, udpPort: 4711 });
      await client.received(10, 4);
      expect(client.tagged(40)).toEqual([]);
    });

    it('finds the container after its restart by what was listed before', async () => {
      const before = await target(NAME);
      await container.runtime.cli('restart', '--time', '0', NAME);
      web = await container.runtime.wiredNamespaceOf(NAME);
      expect(web.inode).not.toBe(0);
      await expectPackets({ container: { ...before, 'network-interfaces': ['eth1'] } }, 5);
    });

    it('finds namespaces made by "ip netns add" on the host and captures from them', async () => {
      await using namespace = await NetworkNamespace.create();
      await namespace.addWire('left', 'right');
      const { netns } = await target(namespace.path);
      expect(netns).toBe(namespace.inode);

      await using client = await CaptureClient.open(service, { container: { name: namespace.path } });
      await client.described('right');
      await sendPackets(namespace, { interface: 'left', count: 10, flow: 6 });
      await client.received(20, 6);
    });

    it('leaves no zombies when an engine is killed and its children become orphans', async () => {
      const [engine] = (await service.processes()).filter(({ command }) =>
        command.includes('packetflix: engine'),
      );
      const orphans = processTree(engine?.pid ?? 0);
      expect(orphans.length).toBeGreaterThan(1);
      process.kill(engine?.pid ?? 0, 'SIGKILL');
      await eventually('the end of the orphans', () => !orphans.some(exists));
      await expectPackets({ netns: web.inode }, 8);
    });

    it('leaves no process when its container is killed, and captures again when that is restarted', async () => {
      await using client = await CaptureClient.open(service, { netns: web.inode });
      await client.described('eth1');
      const processes = await service.processes();
      expect(processes.length).toBeGreaterThan(4);
      const own = processes.map(({ pid }) => namespaceOf(pid)).filter((link) => link !== namespaceOf('self'));
      expect(own).not.toEqual([]);

      await container.runtime.cli('kill', service.containerId);
      await eventually('all its processes to end', () => !processes.some(isAlive));
      // The last thread closes them, at a time when the process is already reported as ended.
      await eventually('its packet sockets to be closed', async () =>
        /^sk .*\n$/.test(await web.exec('cat', '/proc/net/packet')),
      );
      await eventually('its own namespaces to end', () => !own.some((link) => heldNamespaces().has(link)));

      await service.startAgain();
      await expectPackets({ netns: web.inode }, 7);
    });
  });
});

function namespaceOf(pid: number | string): string {
  try {
    return procLink(`/proc/${pid}/ns/net`);
  } catch {
    return ''; // EACCES: not even root may look at this process, which is then none of the service
  }
}

/** Network namespaces that processes are in or that are mounted. */
function heldNamespaces(): Set<string> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const mounted = readFileSync('/proc/self/mountinfo', 'utf8').match(/net:\[\d+\]/g) ?? [];
  return new Set([...pids.map(namespaceOf), ...mounted]);
}
