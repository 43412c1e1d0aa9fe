import { CaptureClient } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

interface ListedCapture {
  readonly name: string;
  readonly user?: string;
  readonly own: boolean;
  readonly packets?: number;
}

describeAsRoot('The captures that run', () => {
  const service = serviceForAllTests(['--user-header', 'X-Forwarded-User', '--trusted-proxy', '127.0.0.1']);

  const as = (user?: string): { readonly headers: Record<string, string> } => ({
    headers: user === undefined ? {} : { 'X-Forwarded-User': user },
  });

  async function list(user?: string): Promise<ListedCapture[]> {
    const response = await fetch(service.current.url('/captures'), as(user));
    return ((await response.json()) as { captures: ListedCapture[] }).captures;
  }

  async function end(name: string, user?: string): Promise<number> {
    const url = service.current.url(`/captures/${name}`);
    return (await fetch(url, { method: 'DELETE', ...as(user) })).status;
  }

  it('are listed with what is captured for whom, and how much', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const parameters = { netns: namespace.inode, nif: 'eth1', filter: 'udp' };
    await using client = await CaptureClient.open(service.current, parameters, as('alice'));
    await client.described('eth1');
    await sendPackets(namespace, { interface: 'eth0', count: 100 });
    await client.received(100);
    await eventually('the counts', async () => (await list())[0]?.packets === 100);
    expect(await list('alice')).toEqual([
      {
        name: expect.stringMatching(/^[a-z]+-[a-z]+-[a-z]+$/) as string,
        target: '',
        targets: false,
        netns: namespace.inode,
        interfaces: ['eth1'],
        filter: 'udp',
        client: expect.stringMatching(/^127\.0\.0\.1 port \d+$/) as string,
        user: 'alice',
        transport: 'websocket',
        since: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
        bytes: client.stream.length,
        packets: 100,
        dropped: 0,
        stalled: false,
        own: true,
      },
    ]);
    expect(service.current.log).toContain((await list())[0]?.name);
  });

  it('can be ended by their own users, and by those whom no proxy names', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const open = async (): Promise<CaptureClient> => {
      const client = await CaptureClient.open(service.current, { netns: namespace.inode }, as('alice'));
      await client.described('eth1');
      return client;
    };
    await using one = await open();
    const [{ name } = { name: '' }] = await list();
    expect(await list('bob')).toMatchObject([{ user: 'alice', own: false }]);
    expect(await end(name, 'bob')).toBe(403);
    expect(await list('alice')).toMatchObject([{ own: true }]);
    expect(await end(name, 'alice')).toBe(204);
    expect(await one.ended()).toEqual({ code: 1000, reason: 'the capture was stopped by alice' });

    await using other = await open();
    const [{ name: otherName } = { name: '' }] = await list();
    expect(await list()).toMatchObject([{ own: true }]);
    expect(await end(otherName)).toBe(204);
    expect(await other.ended()).toEqual({ code: 1000, reason: 'the capture was stopped by request' });
    expect(await end(otherName)).toBe(404);
    expect(await list()).toEqual([]);
  });
});
