import { CaptureClient, type CaptureParameters } from '../kit/capture-client.js';
import { clusterForAllTests, describeWithCluster, type Target, targetsOf } from '../kit/cluster.js';
import { eventually } from '../kit/eventually.js';
import { PacketSender, sendPackets } from '../kit/packets.js';
import type { Packet } from '../kit/pcapng.js';
import { readWithWireshark, Recording, tsharkFields } from '../kit/second-opinion.js';

/** Of an interface statistics block without comments. */
const STATISTICS_BYTES = 52;
const HOSTS = ['alpha', 'beta', 'gamma'];
const TARGETS = JSON.stringify([{ type: 'proc', name: 'set-*' }]);
const PACKETS_PER_SECOND = 50_000;
const SECONDS = 5;
const SIZES = [60, 100, 333, 150];
/** A capture holds 16 MiB, and Node.js has what it has not collected yet; 100 MB are sent meanwhile. */
const MAX_GROWTH_KIB = 80 * 1024;

describeWithCluster('A set of targets on three nodes', () => {
  const current = clusterForAllTests(HOSTS);
  let targets: Target[] = [];
  beforeAll(async () => {
    targets = await Promise.all(current.cluster.hosts.map((host) => host.addTarget('set-member')));
    await eventually('the targets', async () => {
      const names = (await targetsOf(current.gateway)).map(({ name }) => name);
      return names.filter((name) => name.startsWith('set-member')).length === HOSTS.length;
    });
  });

  const nameOf = ({ title, host }: Target): string => `${title} in ${host.name}:eth1`;

  async function open(parameters: CaptureParameters = {}): Promise<CaptureClient> {
    const request = { targets: TARGETS, nif: 'eth1', ...parameters };
    const client = await CaptureClient.open(current.gateway, request);
    await client.described(...targets.map(nameOf));
    return client;
  }

  function sendFromAll(count: number, sizes: readonly number[] = [100]): Promise<unknown> {
    return Promise.all(
      targets.map(({ namespace }, flow) =>
        sendPackets(namespace, { interface: 'eth0', count, sizes, flow, ratePerSecond: 2_000 }),
      ),
    );
  }

  it('is one section with each packet of 50,000 a second, byte for byte and in order of time', async () => {
    const count = Math.ceil((PACKETS_PER_SECOND * SECONDS) / HOSTS.length);
    await using made = new AsyncDisposableStack();
    const recordings: Recording[] = [];
    for (const { namespace } of targets) {
      recordings.push(made.use(await Recording.start(namespace, 'eth1', count)));
    }
    const client = made.use(await open());
    const senders = targets.map(({ namespace }, flow) =>
      PacketSender.start(namespace, {
        ...{ interface: 'eth0', count, sizes: SIZES, flow },
        ratePerSecond: PACKETS_PER_SECOND / HOSTS.length,
      }),
    );
    for (const sender of await Promise.all(senders)) made.use(sender);
    for (const flow of targets.keys()) await client.received(count, flow);
    expect(client.packets).toHaveLength(count * HOSTS.length);

    for (const [flow, target] of targets.entries()) {
      const captured = client.packets.filter((packet) => packet.interface.name === nameOf(target));
      expect(differences(captured, (await recordings[flow]?.packets()) ?? [])).toEqual([]);
      expect(client.sequences(flow)).toHaveLength(count);
    }
    expect(outOfOrder(client.packets)).toEqual([]);
    expect(client.kinds.filter((kind) => kind === 'section')).toHaveLength(1);
    expect(client.interfaces.map(({ id }) => id)).toEqual([0, 1, 2]);
    for (const { name, description } of client.interfaces) {
      const [target] = targets.filter((each) => nameOf(each) === name);
      expect(description).toContain(
        `node ${target?.host.name}, network namespace ${target?.namespace.inode}`,
      );
    }
    // The statistics of each node come within a second.
    const totals = () =>
      targets.map((target) => {
        const last = client.statistics.filter(({ interface: { name } }) => name === nameOf(target)).at(-1);
        return [last?.received, last?.droppedBySystem];
      });
    await eventually('the statistics', () => totals().every(([received]) => received === BigInt(count)));
    expect(totals()).toEqual(targets.map(() => [BigInt(count), 0n]));
    const { packets, interfaces } = await readWithWireshark(client.stream);
    expect({ packets, interfaces }).toEqual({ packets: count * HOSTS.length, interfaces: HOSTS.length });
    const names = new Set((await tsharkFields(client.stream, 'frame.interface_name')).flat());
    expect([...names].sort()).toEqual(targets.map(nameOf).sort());
  }, 90_000);

  it('waits for a client that does not read: nodes count what they drop, and the gateway takes no memory', async () => {
    const request = { targets: TARGETS, nif: 'eth1' };
    await using client = await CaptureClient.open(current.gateway, request, { countOnly: true });
    await client.described(...targets.map(nameOf));
    const before = current.gateway.resources().residentKiB;
    client.stall();
    const spec = { interface: 'eth0', sizes: [1_400], count: 24_000, ratePerSecond: 12_000 };
    const sending = targets.map(({ namespace }, flow) =>
      sendPackets(namespace, { ...spec, flow: 20 + flow }),
    );
    await Promise.all(sending);
    const grownKiB = current.gateway.resources().residentKiB - before;
    client.resume();
    const last = (name: string) => client.statistics.filter((each) => each.interface.name === name).at(-1);
    const accounted = (name: string): number =>
      (client.packetCounts.get(name) ?? 0) + Number(last(name)?.droppedBySystem ?? 0n);
    await client.until(
      'all packets, or reports of their loss',
      () => targets.every((target) => accounted(nameOf(target)) === spec.count),
      30_000,
    );
    expect(targets.some((target) => (last(nameOf(target))?.droppedBySystem ?? 0n) > 0n)).toBe(true);
    expect(grownKiB).toBeLessThan(MAX_GROWTH_KIB);
    expect(client.disorder).toBe(0);
  }, 60_000);

  it('has a filter, a snapshot length and directions in all streams', async () => {
    await using client = await open({ filter: 'udp port 9', snaplen: 64, direction: true, chaste: true });
    expect(client.interfaces.map(({ filter }) => filter)).toEqual(HOSTS.map(() => 'udp port 9'));
    for (const { namespace } of targets) expect(await namespace.promiscuity('eth1')).toBe(0);
    await Promise.all(
      targets.map(async ({ namespace }, flow) => {
        await sendPackets(namespace, { interface: 'eth0', count: 5, flow: 10 + flow, udpPort: 10 });
        await sendPackets(namespace, { interface: 'eth0', count: 5, flow });
      }),
    );
    for (const flow of targets.keys()) await client.received(5, flow);
    expect(client.packets).toHaveLength(5 * HOSTS.length);
    for (const { data, originalLength, flags } of client.packets) {
      expect({ captured: data.length, originalLength, direction: (flags ?? 0) & 3 }).toEqual({
        ...{ captured: 64, originalLength: 100, direction: 1 },
      });
    }
  });

  it('refuses an invalid filter as a whole', async () => {
    await using client = await CaptureClient.open(current.gateway, { targets: TARGETS, filter: 'nonsense' });
    expect((await client.ended()).code).toBe(4400);
  });

  it('ends at a limit of packets in all', async () => {
    await using client = await open({ 'max-packets': 100 });
    await sendFromAll(60);
    expect((await client.ended()).code).toBe(1000);
    expect(client.packets).toHaveLength(100);
  });

  it('ends at a limit of the length of the stream', async () => {
    await using client = await open({ 'max-bytes': 5_000 });
    await sendFromAll(60);
    expect((await client.ended()).code).toBe(1000);
    // After the last packet, the statistics of each node may follow.
    expect(client.stream.length).toBeLessThanOrEqual(5_000 + 3 * STATISTICS_BYTES);
    expect(client.packets.length).toBeGreaterThan(20);
  });

  it('ends after its duration', async () => {
    const begin = performance.now();
    await using client = await open({ duration: 2 });
    expect((await client.ended()).code).toBe(1000);
    expect(performance.now() - begin).toBeGreaterThan(1_900);
  });

  it('leaves no capture on any node', async () => {
    await eventually('the end of all captures', async () => {
      for (const service of [current.gateway, ...current.cluster.hosts]) {
        const response = await fetch(service.url('/captures'));
        const { captures } = (await response.json()) as { captures: unknown[] };
        if (captures.length > 0) throw new Error(JSON.stringify(captures));
      }
      return true;
    });
  });

  it('gets what starts on any node, and says what ends', async () => {
    await using client = await open();
    const late = await current.cluster.host('beta').addTarget('set-late');
    await client.described(nameOf(late));
    await sendPackets(late.namespace, { interface: 'eth0', count: 5, flow: 77 });
    await client.received(5, 77);
    await late[Symbol.asyncDispose]();
    const left = (): boolean =>
      [...client.interfaces, ...client.statistics].some(({ comments }) =>
        comments.some((text) => text.includes(late.title) && text.includes('left')),
      );
    await client.until('a comment', left);
  });

  it('can be chosen by the name of a node', async () => {
    const selectors = JSON.stringify([{ type: 'proc', name: 'set-*', node: 'gamma' }]);
    await using client = await CaptureClient.open(current.gateway, { targets: selectors, nif: 'eth1' });
    await client.described(nameOf(targets[2] as Target));
    expect(client.interfaceNames).toHaveLength(1);
  });
});

/** Describes the first packets that differ. */
function differences(actual: readonly Packet[], expected: readonly Packet[]): string[] {
  const length = actual.length === expected.length ? [] : [`${actual.length} instead of ${expected.length}`];
  const packets = expected.flatMap(({ data, originalLength, timestamp }, index) => {
    const other = actual[index];
    const isSame = other?.data.equals(data) && other.originalLength === originalLength;
    const apart = (other?.timestamp ?? 0n) - timestamp;
    return isSame && apart < MAX_APART_NS && apart > -MAX_APART_NS
      ? []
      : [`packet ${index}, ${apart} ns apart`];
  });
  return [...length, ...packets.slice(0, 10)];
}

const MAX_APART_NS = 1_000_000n;

/** Where a packet is earlier than the one before it. */
function outOfOrder(packets: readonly Packet[]): string[] {
  return packets.flatMap((packet, index) => {
    const before = packets[index - 1];
    return before && before.timestamp > packet.timestamp
      ? [`packet ${index}: ${before.timestamp - packet.timestamp} ns earlier than the one before`]
      : [];
  });
}
