import { clusterForAllTests, describeWithCluster, targetsOf } from '../kit/cluster.js';
import { eventually } from '../kit/eventually.js';
import { TargetEvents } from '../kit/target-events.js';

const HOSTS = ['alpha', 'beta', 'gamma'];

describeWithCluster('The directory of a cluster', () => {
  const current = clusterForAllTests(HOSTS);

  it('lists the targets of all nodes, each with its node, which is its prefix, too', async () => {
    const { cluster, gateway } = current;
    await using made = new AsyncDisposableStack();
    for (const host of cluster.hosts) made.use(await host.addTarget('listed'));
    const listed = await eventually('the new targets', async () => {
      const found = (await targetsOf(gateway)).filter(({ name }) => name.startsWith('listed('));
      return found.length === HOSTS.length && found;
    });
    expect(listed.map(({ node }) => node).sort()).toEqual(HOSTS);
    expect(listed.map(({ prefix }) => prefix).sort()).toEqual(HOSTS);
    for (const host of cluster.hosts) {
      const own = (await targetsOf(host)).find(({ name }) => name.startsWith('listed('));
      expect(listed).toContainEqual({ ...own, prefix: host.name });
    }
  });

  it('is complete as soon as a gateway has started', async () => {
    await using other = await current.cluster.startGateway();
    expect(new Set((await targetsOf(other)).map(({ node }) => node))).toEqual(new Set(HOSTS));
  });

  it('is in the list for Wireshark and the page of GhostWire, too, with sets over all nodes', async () => {
    const response = await fetch(current.gateway.url('/discover/mobyshark'));
    const { containers } = (await response.json()) as { containers: Record<string, unknown>[] };
    const ofHosts = containers.filter(({ type }) => type === 'proc');
    expect(new Set(ofHosts.map(({ prefix }) => prefix))).toEqual(new Set(HOSTS));
    expect(containers).toContainEqual(expect.objectContaining({ type: 'set', name: '*' }));
  });

  it('sends what starts and ends on any node as events', async () => {
    const { cluster, gateway } = current;
    await using events = await TargetEvents.open(gateway);
    await events.until('a snapshot', ({ event }) => event === 'snapshot');
    const target = await cluster.host('beta').addTarget('event');
    const has = ({ title }: { title: string }, targets: readonly { name: string; node: string }[]): boolean =>
      targets.some(({ name, node }) => name === title && node === 'beta');
    await events.until('the start', ({ event, targets }) => event === 'added' && has(target, targets));
    await target[Symbol.asyncDispose]();
    await events.until('the end', ({ event, targets }) => event === 'removed' && has(target, targets));
  });

  it('is not of this host, whose services no gateway starts', () => {
    const commands = current.gateway.processes().map(({ command }) => command);
    expect(commands).toHaveLength(2);
    expect(commands.join()).not.toMatch(/engine|discoverer/);
  });
});
