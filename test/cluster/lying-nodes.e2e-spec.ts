import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureClient } from '../kit/capture-client.js';
import { Child } from '../kit/child.js';
import {
  Cluster,
  describeWithCluster,
  DNS_NODES,
  stateOfNodes,
  type Target,
  targetsOf,
} from '../kit/cluster.js';
import { eventually } from '../kit/eventually.js';
import { PacketSender } from '../kit/packets.js';
import type { Service } from '../kit/service.js';
import { commentsOf } from '../sets/set-members.js';

const PROGRAM = new URL('programs/lying-nodes.ts', import.meta.url).pathname;
const HOSTS = ['alpha', 'beta'];
const RATE = 500;
const LYING_MS = 1_000;
/**
 * Far less than what a lying node sends in that time, and no more after several of them. A capture holds 16 MiB; the rest is
 * what Node.js has not collected yet.
 */
const MAX_GROWTH_KIB = 288 * 1024;
/** Each of these nodes may send an event of 32 MiB at a time. */
const ANSWERS_MS = 5_000;
const MAX_KIB_WITH_ANSWERS = 640 * 1024;

/** By the lie of the node that listens there. */
type Ports = Readonly<Record<string, number>>;

const nameOfLiar = (lie: string): string => lie.replaceAll(' ', '-');

describeWithCluster('A node that lies', () => {
  let cluster: Cluster;
  const liars: Child[] = [];
  let streams: Ports;
  let answers: Ports;
  let gateway: Service;
  let targets: Target[] = [];
  let restKiB = 0;

  beforeAll(async () => {
    cluster = await Cluster.create(...HOSTS);
    targets = await Promise.all(cluster.hosts.map((host) => host.addTarget('honest')));
    streams = await startLiars('streams');
    answers = await startLiars('answers', cluster.host('alpha').url('/'), 'alpha');
    gateway = await startGateway(streams);
    await sleep(LYING_MS);
    restKiB = gateway.resources().residentKiB;
  });
  afterAll(async () => {
    await gateway?.[Symbol.asyncDispose]();
    for (const each of liars) await each[Symbol.asyncDispose]();
    await cluster?.[Symbol.asyncDispose]();
  });

  let captures: AsyncDisposableStack;
  beforeEach(() => {
    captures = new AsyncDisposableStack();
  });
  afterEach(() => captures.disposeAsync());

  async function startLiars(...args: readonly string[]): Promise<Ports> {
    const child = await Child.start(process.execPath, [PROGRAM, ...args]);
    liars.push(child);
    const [line] = await child.saying(/\{.*\}/);
    return JSON.parse(line) as Ports;
  }

  async function startGateway(liarPorts: Ports): Promise<Service> {
    const nodes = [DNS_NODES, ...Object.values(liarPorts).map((port) => `127.0.0.1:${port}`)];
    const started = await cluster.startGateway(nodes.flatMap((node) => ['--nodes', node]));
    await eventually('the honest targets', async () => {
      const names = (await targetsOf(started)).map(({ name }) => name);
      return names.filter((name) => name.startsWith('honest')).length === HOSTS.length;
    });
    return started;
  }

  const nameOf = ({ title, host }: Target): string => `${title} in ${host.name}:eth1`;

  /** Captures from honest nodes and from liars while packets are sent. @returns the capture */
  async function capture(lies: readonly string[], stallMs = 0): Promise<CaptureClient> {
    const names = ['honest*', ...lies.map((lie) => `lie-${nameOfLiar(lie)}`)];
    const selectors = names.map((name) => ({ type: 'proc', name }));
    const request = { targets: JSON.stringify(selectors), nif: 'eth1' };
    await using made = new AsyncDisposableStack();
    const client = made.use(await CaptureClient.open(gateway, request, { countOnly: true }));
    await client.described(...targets.map(nameOf));
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
    captures.use(made.move());
    return client;
  }

  const told = (client: CaptureClient, lie: string, expected: RegExp): string | undefined =>
    commentsOf(client).find((text) => text.includes(`node ${nameOfLiar(lie)}: `) && expected.test(text));

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
    const client = await capture(Object.keys(lies));
    for (const [lie, expected] of Object.entries(lies)) {
      await client.until(`a comment about ${lie}`, () => told(client, lie, expected) !== undefined);
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

  it('costs no memory with its answers, gets no name of another node, and readiness says what is wrong', async () => {
    await using other = await startGateway(answers);
    await sleep(ANSWERS_MS);
    expect(other.resources().residentKiB).toBeLessThan(MAX_KIB_WITH_ANSWERS);
    const listed = await eventually('the targets of each', async () => {
      const found = await targetsOf(other);
      return found.some(({ name }) => name === 'lie-name-of-another') && found;
    });
    expect(listed.filter(({ name }) => name.startsWith('lie-many'))).toEqual([]);
    // Nobody can tell which of two is the real one, but they never have one name.
    const nodesOf = (pattern: RegExp) =>
      listed.filter(({ name }) => pattern.test(name)).map(({ node }) => node);
    const [liar, ...others] = nodesOf(/^lie-name-of-another$/);
    expect(others).toEqual([]);
    expect(['alpha', `127.0.0.1:${answers['name of another']}`]).toContain(liar);
    expect(nodesOf(/^honest/)).not.toContain(liar);
    const begin = performance.now();
    const state = await stateOfNodes(other);
    expect(performance.now() - begin).toBeLessThan(2_000);
    expect(state).toMatch(/too-many-targets: .*more than 50000/);
    expect(state).toMatch(/no-JSON: .*not JSON/);
    expect(other.log).toMatch(new RegExp(`127.0.0.1:${answers['redirect']}: .* HTTP status 302`));
  });

  it('is told apart from one whose clock is wrong, by how much the stream says', async () => {
    const client = await capture(['clock']);
    const pattern = /its clock is ([\d.]+) s behind/;
    await client.until('a comment', () => told(client, 'clock', pattern) !== undefined);
    const [, seconds] = pattern.exec(told(client, 'clock', pattern) ?? '') ?? [];
    expect(Number(seconds)).toBeGreaterThan(3_590);
    expect(Number(seconds)).toBeLessThan(3_610);
    expect(commentsOf(client).filter((text) => /^node (alpha|beta): its clock/.test(text))).toEqual([]);
  });
});
