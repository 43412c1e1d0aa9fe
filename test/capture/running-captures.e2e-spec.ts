import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { CaptureClient } from '../kit/capture-client.js';
import { Download } from '../kit/download.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender, sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

interface ListedCapture {
  readonly name: string;
  readonly user?: string;
  readonly mayEnd: boolean;
  readonly packets?: number;
  readonly stalled: boolean;
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

  async function endFrom(localAddress: string, name: string): Promise<number> {
    const { port } = service.current;
    const path = `/captures/${name}`;
    const sent = request({ host: '127.0.0.1', port, path, method: 'DELETE', localAddress }).end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    response.resume();
    return response.statusCode ?? 0;
  }

  async function active(): Promise<number> {
    const metrics = await (await fetch(service.current.url('/metrics'))).text();
    return Number(/^packetflix_captures_active (\d+)$/m.exec(metrics)?.[1]);
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
        isSet: false,
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
        mayEnd: true,
      },
    ]);
    expect(service.current.log).toContain((await list())[0]?.name);
  });

  it('can be ended although the client does not read', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const parameters = { netns: namespace.inode, nif: 'eth1' };
    await using client = await CaptureClient.open(service.current, parameters, { countOnly: true });
    await client.described('eth1');
    using download = await Download.open(
      service.current.url(`/capture.pcapng?netns=${namespace.inode}&nif=eth1`),
    );
    await download.described('eth1');
    client.stall();
    download.response.pause();
    const load = { interface: 'eth0', ratePerSecond: 30_000, sizes: [1_400] };
    await using sender = await PacketSender.start(namespace, load);
    await eventually('both to stall', async () => (await list()).every(({ stalled }) => stalled), 20_000);
    await sender.stop();
    for (const { name } of await list()) expect(await end(name)).toBe(204);
    await eventually('the end of both', async () => (await active()) === 0, 15_000);
    expect(await list()).toEqual([]);
  });

  it('can be ended by their own users, and by those who do not come through the proxy', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const open = async (): Promise<CaptureClient> => {
      const client = await CaptureClient.open(service.current, { netns: namespace.inode }, as('alice'));
      await client.described('eth1');
      return client;
    };
    await using one = await open();
    const [{ name } = { name: '' }] = await list();
    expect(await list('')).toMatchObject([{ user: 'alice', mayEnd: false }]);
    expect(await list('bob')).toMatchObject([{ user: 'alice', mayEnd: false }]);
    expect(await end(name, 'bob')).toBe(403);
    expect(await list('alice')).toMatchObject([{ mayEnd: true }]);
    expect(await end(name, 'alice')).toBe(204);
    expect(await one.ended()).toEqual({ code: 1000, reason: 'the capture was stopped by alice' });

    await using other = await open();
    const [{ name: otherName } = { name: '' }] = await list();
    expect(await end(otherName)).toBe(403);
    // By another way than through the proxy, for example as the operator of the host.
    expect(await endFrom('127.0.0.2', otherName)).toBe(204);
    expect(await other.ended()).toEqual({ code: 1000, reason: 'the capture was stopped by request' });
    expect(await end(otherName)).toBe(404);
    expect(await list()).toEqual([]);
  });
});
