import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_TOO_MANY_CAPTURES } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { describeAsRoot } from '../kit/root.js';
import { Service, serviceForAllTests } from '../kit/service.js';

const MAX_CAPTURES = 2;
/** With a close frame, without one, and closed by the service after a message above the limit. */
const WAYS_TO_LEAVE: ((client: CaptureClient) => Promise<unknown> | void)[] = [
  (client) => client.close(),
  (client) => client.abort(),
  (client) => client.send(Buffer.alloc(2_000)),
];

const OPTIONS = ['--max-captures-per-client', String(MAX_CAPTURES)];

describeAsRoot('The limit of captures per client address', () => {
  const service = serviceForAllTests(OPTIONS);

  async function open(namespace: NetworkNamespace, localAddress: string): Promise<CaptureClient> {
    return await CaptureClient.open(
      service.current,
      { netns: namespace.inode, nif: 'eth1' },
      { localAddress },
    );
  }

  /** Opens two captures, or none if one of them is refused. */
  async function openTwo(namespace: NetworkNamespace, localAddress: string): Promise<CaptureClient[]> {
    const clients = [await open(namespace, localAddress), await open(namespace, localAddress)];
    try {
      for (const client of clients) await client.described('eth1');
      return clients;
    } catch (error) {
      for (const client of clients) client.abort();
      throw error;
    }
  }

  it('applies to each address separately and is named in the reason', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using first = await open(namespace, '127.0.0.1');
    await using second = await open(namespace, '127.0.0.1');
    await Promise.all([first.described('eth1'), second.described('eth1')]);

    await using refused = await open(namespace, '127.0.0.1');
    await using other = await open(namespace, '127.0.0.2');

    expect(await refused.ended()).toEqual({
      code: CLOSE_TOO_MANY_CAPTURES,
      reason: 'the limit of 2 captures of 127.0.0.1 is reached: --max-captures-per-client of the service',
    });
    await other.described('eth1');
    expect([first.closing, second.closing]).toEqual([undefined, undefined]);
  });

  it('no longer counts a client that has left, in whatever way', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    for (const leave of WAYS_TO_LEAVE) {
      const clients = await eventually('two free slots', () => openTwo(namespace, '127.0.0.3'));
      await using refused = await open(namespace, '127.0.0.3');
      expect((await refused.ended()).code).toBe(CLOSE_TOO_MANY_CAPTURES);
      for (const client of clients) await leave(client);
    }
    for (const client of await eventually('two free slots', () => openTwo(namespace, '127.0.0.3')))
      client.abort();
  });
});

describeAsRoot('The limit of captures per client address, with IPv6', () => {
  it('treats IPv4-mapped addresses as IPv4 addresses and also applies to the loopback address', async () => {
    await using service = await Service.start(OPTIONS);
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const request = { netns: namespace.inode, nif: 'eth1' };
    for (const host of ['[::1]', '[::ffff:127.0.0.1]']) {
      await using first = await CaptureClient.open(service, request, { host });
      await using second = await CaptureClient.open(service, request, { host });
      await Promise.all([first.described('eth1'), second.described('eth1')]);
      await using refused = await CaptureClient.open(service, request, { host });
      expect((await refused.ended()).code).toBe(CLOSE_TOO_MANY_CAPTURES);
      if (host === '[::1]') continue;
      await using likewise = await CaptureClient.open(service, request);
      expect((await likewise.ended()).reason).toContain(' of 127.0.0.1 ');
    }
  });
});
