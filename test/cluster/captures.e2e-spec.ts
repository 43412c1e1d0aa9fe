import { CaptureClient } from '../kit/capture-client.js';
import { clusterForAllTests, describeWithCluster, type Target, targetsOf } from '../kit/cluster.js';
import { Download } from '../kit/download.js';
import { eventually } from '../kit/eventually.js';
import { sendPackets } from '../kit/packets.js';

const HOSTS = ['alpha', 'beta', 'gamma'];
const COUNT = 20;
const ETH1 = { interface: 'eth0', count: COUNT };

describeWithCluster('A capture of one target through a gateway', () => {
  const current = clusterForAllTests(HOSTS);
  const targets: Target[] = [];
  beforeAll(async () => {
    for (const host of current.cluster.hosts) {
      targets.push(await host.addTarget('web'));
      await host.addBindMount('lan');
    }
    await eventually('the targets', async () => {
      const names = (await targetsOf(current.gateway)).map(({ name }) => name);
      return names.filter((name) => /^web|lan$/.test(name)).length === 2 * HOSTS.length;
    });
  });

  const targetOf = (host: string): Target => targets[HOSTS.indexOf(host)] as Target;

  it.each(HOSTS)('captures from the target on %s by its name and prefix', async (host) => {
    const target = targetOf(host);
    const request = { container: target.reference, nif: 'eth1' };
    await using client = await CaptureClient.open(current.gateway, request);
    await client.described('eth1');
    await sendPackets(target.namespace, ETH1);
    await client.received(COUNT);
    expect(client.interfaceNames).toEqual(['eth1']);
    expect(client.sequences()).toEqual(Array.from({ length: COUNT }, (_, index) => index));
    expect(client.comments[0]).toContain(`container-name: ${target.title}\n`);
    expect(await client.close()).toEqual({ code: 1000, reason: 'ciao' });
  });

  it.each(HOSTS)(
    'captures from the target on %s as existing clients refer to it, and as a download',
    async (host) => {
      const target = targetOf(host);
      const listing = await fetch(current.gateway.url('/discover/mobyshark'));
      const { containers } = (await listing.json()) as { containers: { name: string; prefix: string }[] };
      const entry = containers.find(({ name, prefix }) => name === target.title && prefix === host);
      // They overwrite the name of the node with that of the host where they have got the list.
      const container = { ...entry, 'node-name': 'localhost' };
      const query = new URLSearchParams({ container: JSON.stringify(container), nif: 'eth1' });
      using download = await Download.open(current.gateway.url(`/capture.pcapng?${query.toString()}`));
      expect(download.response.statusCode).toBe(200);
      await download.described('eth1');
      await sendPackets(target.namespace, ETH1);
      await download.until('all packets', () => download.packets.length === COUNT);
    },
  );

  it('finds a network namespace by its number alone on the node that has it', async () => {
    const target = targetOf('beta');
    const request = { netns: target.namespace.inode, nif: 'eth1' };
    await using client = await CaptureClient.open(current.gateway, request);
    await client.described('eth1');
    await sendPackets(target.namespace, ETH1);
    await client.received(COUNT);
  });

  it('refuses a name that several nodes have, names them, and captures from the one of the prefix', async () => {
    const name = '/run/netns/lan';
    await using refused = await CaptureClient.open(current.gateway, { container: { name } });
    const { code, reason } = await refused.ended();
    expect(code).toBe(4409);
    expect(reason).toMatch(/on (alpha|beta|gamma), .* on (?!\1)(alpha|beta|gamma)/); // in the order in which they answered
    await using client = await CaptureClient.open(current.gateway, { container: { name, prefix: 'gamma' } });
    await client.described('lo');
  });

  it.each([
    ['a name that no node has', { container: { name: 'nobody' } }, 4404, /nobody/],
    [
      'a name that this node does not have',
      { container: { name: 'web(1)', prefix: 'beta' } },
      4404,
      /web\(1\)/,
    ],
    ['a node that is not there', { container: { name: '/run/netns/lan', prefix: 'delta' } }, 4404, /lan/],
    ['a namespace that no node has', { netns: 1 }, 4404, /1/],
    [
      'an interface that does not exist',
      { container: { name: '/run/netns/lan', prefix: 'beta' }, nif: 'eth7' },
      4404,
      /^node beta: .*eth7/,
    ],
    [
      'an invalid filter',
      { container: { name: '/run/netns/lan', prefix: 'beta' }, filter: 'nonsense' },
      4400,
      /^node beta: capture filter/,
    ],
  ])('is refused for %s', async (_, request, expectedCode, expectedReason) => {
    await using client = await CaptureClient.open(current.gateway, request);
    const { code, reason } = await client.ended();
    expect({ code, reason }).toEqual({
      code: expectedCode,
      reason: expect.stringMatching(expectedReason) as string,
    });
  });

  it.each([
    ['an interface that does not exist', { nif: 'eth7' }],
    ['an invalid filter', { filter: 'nonsense' }],
  ])('passes on to a download what the node says about %s', async (_, parameters) => {
    const answers = [current.gateway, current.cluster.host('beta')].map(async (service) => {
      const container = { name: '/run/netns/lan', prefix: service === current.gateway ? 'beta' : '' };
      const query = new URLSearchParams({ ...parameters, container: JSON.stringify(container) });
      const response = await fetch(service.url(`/capture.pcapng?${query.toString()}`));
      return { status: response.status, ...((await response.json()) as { code: string; message: string }) };
    });
    const [passedOn, own] = await Promise.all(answers);
    // The close of a node has no more of the cause than its class: "code" may be a neighbouring one.
    expect(passedOn?.status).toBe(own?.status);
    expect(passedOn?.message).toBe(`node beta: ${own?.message}`);
  });

  it('passes on that a node has too many captures', async () => {
    const host = current.cluster.host('gamma');
    await host.stopService();
    await host.startService(['--max-captures', '1']);
    await eventually('its return', async () => {
      await using client = await CaptureClient.open(host, { netns: targetOf('gamma').namespace.inode });
      await client.described('eth1');
      const request = { container: targetOf('gamma').reference };
      await using refused = await CaptureClient.open(current.gateway, request);
      const { code, reason } = await refused.ended();
      return code === 4429 && reason.startsWith('node gamma: ');
    });
  });

  it('ends with its target', async () => {
    const host = current.cluster.host('beta');
    const target = await host.addTarget('ending');
    await eventually('the target', async () =>
      (await targetsOf(current.gateway)).some(({ name }) => name === target.title),
    );
    await using client = await CaptureClient.open(current.gateway, { container: target.reference });
    await client.described('eth1');
    await target[Symbol.asyncDispose]();
    expect((await client.ended()).code).toBe(1000);
  });

  it('is listed by the gateway, and can be ended there', async () => {
    const request = { container: targetOf('alpha').reference };
    await using client = await CaptureClient.open(current.gateway, request);
    await client.described('eth1');
    const response = await fetch(current.gateway.url('/captures'));
    const { captures } = (await response.json()) as { captures: { name: string }[] };
    const [capture] = captures;
    expect(captures).toHaveLength(1);
    await fetch(current.gateway.url(`/captures/${capture?.name}`), { method: 'DELETE' });
    await client.ended();
  });
});
