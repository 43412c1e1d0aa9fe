import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../kit/capture-client.js';
import { Child } from '../kit/child.js';
import { Cluster, describeWithCluster, DNS_NODES, type Target, targetsOf } from '../kit/cluster.js';
import { eventually } from '../kit/eventually.js';
import { PacketSender } from '../kit/packets.js';
import { Service } from '../kit/service.js';
import { commentsOf } from '../sets/set-members.js';

const PROGRAM = new URL('programs/lying-nodes.ts', import.meta.url).pathname;
const HOSTS = ['alpha', 'beta'];
const RATE = 500;
const LYING_MS = 1_000;
/** Far less than what a lying node sends in that time. The heap of Node.js grows by some of it under any load. */
const MAX_GROWTH_KIB = 128 * 1024;

const nameOfLiar = (lie: string): string => lie.replaceAll(' ', '-');

describeWithCluster('A node that lies', () => {
  let cluster: Cluster;
  let liars: Child;
  let gateway: Service;
  let targets: Target[] = [];
  let restKiB = 0;

  beforeAll(async () => {
    cluster = await Cluster.create(...HOSTS);
    targets = await Promise.all(cluster.hosts.map((host) => host.addTarget('honest')));
    const elsewhere = cluster.host('alpha').url('/');
    liars = await Child.start(process.execPath, [PROGRAM, elsewhere, 'alpha']);
    const [line] = await liars.saying(/\{.*\}/);
    const ports = Object.values(JSON.parse(line) as Record<string, number>);
    const nodes = [DNS_NODES, ...ports.map((port) => `127.0.0.1:${port}`)];
    gateway = await cluster.startGateway(nodes.flatMap((node) => ['--nodes', node]));
    // All that they say about their targets is known.
    await eventually(
      'the honest targets',
      async () => (await namesListed(/^honest/)).length === HOSTS.length,
    );
    await sleep(LYING_MS);
    restKiB = gateway.resources().residentKiB;
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    await liars?.[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  const nameOf = ({ title, host }: Target): string => `${title} in ${host.name}:eth1`;

  async function namesListed(pattern: RegExp): Promise<string[]> {
    return (await targetsOf(gateway)).map(({ name }) => name).filter((name) => pattern.test(name));
  }

  /** Captures from honest nodes and from liars while packets are sent. @returns all comments of the stream */
  async function capture(lies: readonly string[], stallMs = 0): Promise<string[]> {
    const names = ['honest*', ...lies.map((lie) => `lie-${nameOfLiar(lie)}`)];
    const selectors = names.map((name) => ({ type: 'proc', name }));
    const request = { targets: JSON.stringify(selectors), nif: 'eth1' };
    await using client = await CaptureClient.open(gateway, request, { countOnly: true });
    await client.described(...targets.map(nameOf));
    await using made = new AsyncDisposableStack();
    const spec = { interface: 'eth0', ratePerSecond: RATE };
    const senders = await Promise.all(
      targets.map(async ({ namespace }, flow) =>
        made.use(await PacketSender.start(namespace, { ...spec, flow })),
      ),
    );
    await sleep(LYING_MS);
    const grownKiB = [gateway.resources().residentKiB - restKiB];
    if (stallMs > 0) {
      client.stall();
      await sleep(stallMs);
      grownKiB.push(gateway.resources().residentKiB - restKiB);
      client.resume();
    }
    for (const [flow, sender] of senders.entries()) await client.received(await sender.stop(), flow);
    expect(Math.max(...grownKiB)).toBeLessThan(MAX_GROWTH_KIB);
    expect({ missing: client.missing, disorder: client.disorder, closing: client.closing }).toEqual({
      ...{ missing: 0, disorder: 0, closing: undefined },
    });
    const told = (): string[] => commentsOf(client);
    if (stallMs === 0) {
      const isTold = (lie: string) => told().some((text) => text.includes(`node ${nameOfLiar(lie)}: `));
      await client.until('a comment about each', () => lies.every(isTold));
    }
    return told();
  }

  it('costs the others nothing, and the stream says what it has sent', async () => {
    const lies = {
      ...{ noise: /not pcapng/, 'block of 4 GiB': /4294967292 bytes/, 'block of 0 bytes': /of 0 bytes/ },
      ...{ 'two lengths': /two lengths/, 'unknown interface': /not described/ },
      ...{ 'packet beyond its block': /longer than its block/, 'packet of 4 GiB': /longer than its block/ },
      ...{
        'more than there was': /more is captured/,
        'bad options': /options/,
        'second section': /second section/,
      },
    };
    const comments = await capture(Object.keys(lies));
    for (const [lie, expected] of Object.entries(lies)) {
      const told = comments.find((text) => text.includes(`node ${nameOfLiar(lie)}: `));
      expect(told).toMatch(expected);
    }
  });

  it.each([
    'endless packets',
    'endless bytes',
    'endless ballast',
    'endless interfaces',
    'endless comments',
    'wrong times',
  ])('costs the others nothing, and no memory, whether the client reads or not: %s', async (lie) => {
    await capture([lie], LYING_MS);
  });

  it('costs no memory with answers that never end, lists nothing, and readiness says why', async () => {
    await sleep(3_000);
    expect(gateway.resources().residentKiB).toBeLessThan(restKiB + MAX_GROWTH_KIB);
    expect(await namesListed(/^lie-many/)).toEqual([]);
    const response = await fetch(gateway.url('/readyz'));
    expect(response.status).toBe(200);
    const { parts } = (await response.json()) as { parts: { nodes: { message: string } } };
    expect(parts.nodes.message).toMatch(/too-many-targets: .*more than 50000/);
    expect(parts.nodes.message).toMatch(/no-JSON: .*not JSON/);
  });

  it('does not get the name of another one, and its targets are under its own address', async () => {
    const listed = await targetsOf(gateway);
    const own = listed.filter(({ name }) => name === 'lie-name-of-another');
    expect(own).toHaveLength(1);
    expect(own[0]?.node).toMatch(/^127\.0\.0\.1:/);
    expect(own[0]?.prefix).toBe(own[0]?.node);
    expect(listed.filter(({ node, name }) => node === 'alpha' && name.startsWith('lie'))).toEqual([]);
  });

  it('cannot send the gateway elsewhere', () => {
    expect(gateway.log).not.toMatch(/node .* answers at .*302/);
  });

  it('is told apart from one whose clock is wrong, by how much the stream says', async () => {
    const comments = await capture(['clock']);
    const [, seconds] =
      comments.map((text) => /^node clock: its clock is ([\d.]+) s behind/.exec(text)).find(Boolean) ?? [];
    expect(Number(seconds)).toBeGreaterThan(3_590);
    expect(Number(seconds)).toBeLessThan(3_610);
    expect(comments.filter((text) => /^node (alpha|beta): its clock/.test(text))).toEqual([]);
  });
});
