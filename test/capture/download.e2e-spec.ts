import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../kit/child.js';
import { CaptureClient } from '../kit/capture-client.js';
import { Download } from '../kit/download.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender, sendPackets, tagOf } from '../kit/packets.js';
import { handshake, RawConnection } from '../kit/raw-connection.js';
import { describeAsRoot } from '../kit/root.js';
import { readWithWireshark } from '../kit/second-opinion.js';
import { AS_OLDER_KERNEL, MAIN, Service, serviceForAllTests } from '../kit/service.js';

/** How the stream reaches the client: written by the engine, or, where pidfd_getfd(2) is missing, by the server. */
const PATHS = [
  ['directly', []],
  ['by way of the server', [process.execPath, AS_OLDER_KERNEL, 'linux-5.4', process.execPath, MAIN]],
] as const;

interface ListedCapture {
  readonly name: string;
  readonly target: string;
  readonly isSet: boolean;
  readonly netns?: number;
  readonly transport: string;
  readonly packets?: number;
  readonly stalled: boolean;
}

async function capturesOf(service: Service): Promise<ListedCapture[]> {
  const response = await fetch(service.url('/captures'));
  return ((await response.json()) as { captures: ListedCapture[] }).captures;
}

const noneLeft = (service: Service, timeoutMs?: number) =>
  eventually('the end of all captures', async () => (await capturesOf(service)).length === 0, timeoutMs);

describeAsRoot('A download that reaches the client', () => {
  describe.each(PATHS)('%s', (_, command) => {
    let service: Service;
    let namespace: NetworkNamespace;
    const url = (query: string) => service.url(`/capture.pcapng?netns=${namespace.inode}&${query}`);
    beforeAll(async () => {
      service = await Service.start([], command.length > 0 ? { command } : {});
      namespace = await NetworkNamespace.create();
      await namespace.addWire('eth0', 'eth1');
    });
    afterAll(async () => {
      await service[Symbol.asyncDispose]();
      await namespace[Symbol.asyncDispose]();
    });

    it('has the packets of a websocket, and ends whole at a limit', async () => {
      using download = await Download.open(url('nif=eth1&max-packets=500'));
      await using client = await CaptureClient.open(service, { netns: namespace.inode, nif: 'eth1' });
      await download.described('eth1');
      await client.described('eth1');
      await sendPackets(namespace, { interface: 'eth0', count: 600, sizes: [60, 1_400] });
      await client.received(600);
      await download.ended;

      download.complete();
      expect(download.response.headers).toMatchObject({
        'content-type': 'application/vnd.tcpdump.pcap',
        'content-disposition': expect.stringMatching(
          new RegExp(`^attachment; filename="netns-${namespace.inode}-\\d{8}T\\d{6}Z\\.pcapng"$`),
        ) as string,
        connection: 'close',
      });
      expect(download.packets.map(({ data }) => data)).toEqual(
        client
          .tagged()
          .slice(0, 500)
          .map(({ data }) => data),
      );
      expect(await readWithWireshark(download.body)).toEqual({ packets: 500, interfaces: 1 });
      expect(download.blocks.at(-1)?.kind).toBe('statistics');
    });

    it('ends at once when the client goes away', async () => {
      const download = await Download.open(url('nif=eth1'));
      await download.described('eth1');
      expect(await capturesOf(service)).toMatchObject([{ netns: namespace.inode, transport: 'download' }]);
      download[Symbol.dispose]();
      await noneLeft(service, 1_000);
      expect(service.log).toMatch(/"capture ended".*"client-left"/);
    });

    it('waits for a client that stops reading, and loses no byte of a block', async () => {
      using download = await Download.open(url('nif=eth1'));
      await download.described('eth1');
      download.response.pause();
      await using load = await PacketSender.start(namespace, {
        interface: 'eth0',
        ratePerSecond: 30_000,
        sizes: [1_400],
      });
      await eventually('the stall', async () => (await capturesOf(service))[0]?.stalled === true, 15_000);
      download.response.resume();
      await load.stop();
      const [{ name } = { name: '' }] = await capturesOf(service);
      const response = await fetch(service.url(`/captures/${name}`), { method: 'DELETE' });
      expect(response.status).toBe(204);
      await download.ended;

      download.complete();
      const sequences = download.packets.map(({ data }) => tagOf(data)?.sequence ?? 0);
      expect(sequences).toEqual([...sequences].sort((one, other) => one - other));
      await noneLeft(service);
    });

    it('says in the stream that the service has ended', async () => {
      await using other = await Service.start([], command.length > 0 ? { command } : {});
      using download = await Download.open(other.url(`/capture.pcapng?netns=${namespace.inode}&nif=eth1`));
      await download.described('eth1');
      other.terminate();
      await download.ended;
      download.complete();
      expect(download.packets.at(-1)?.comments).toEqual(['the service is shutting down']);
    });
  });
});

describeAsRoot('A download', () => {
  const service = serviceForAllTests(['--max-captures', '1', '--ring-memory', '64', '--log-requests']);

  it.each([
    ['', 400, 'invalid-request', /^container or netns/],
    ['?netns=5&nif=..', 400, 'invalid-interface', /"\.\."/],
    ['?netns=5', 404, 'no-such-namespace', /namespace 5/],
    ['?container={"name":"nobody"}', 404, 'no-such-target', /nobody/],
    [`?container={"netns":5,"pid":${process.pid},"starttime":1}`, 409, 'stale-reference', /./],
  ])('is refused for %j', async (query, statusCode, code, message) => {
    const response = await fetch(service.current.url(`/capture.pcapng${query}`));
    expect(response.status).toBe(statusCode);
    expect(await response.json()).toEqual({
      statusCode,
      code,
      message: expect.stringMatching(message) as string,
    });
  });

  it('is refused beyond the limit of captures, of which it is one', async () => {
    await using namespace = await NetworkNamespace.create();
    const url = service.current.url(`/capture.pcapng?netns=${namespace.inode}`);
    using first = await Download.open(url);
    await first.until('the section', () => first.blocks.length > 0);
    const second = await fetch(url);
    expect(second.status).toBe(429);
    expect(await second.json()).toMatchObject({ code: 'too-many-captures' });
    const metrics = await (await fetch(service.current.url('/metrics'))).text();
    expect(metrics).toMatch(/^packetflix_captures_active 1$/m);
    first[Symbol.dispose]();
    await noneLeft(service.current);
    const brokenOff = /"target":"\/capture\.pcapng\?netns=\d+".*"outcome":"broken off"/;
    await eventually('the line of the request', () => brokenOff.test(service.current.log));
    expect(service.current.log).toMatch(/"target":"\/capture\.pcapng\?netns=\d+".*"outcome":429/);
  });

  it.each(['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'])(
    'begins with GET only, not with %s',
    async (method) => {
      const response = await fetch(service.current.url('/capture.pcapng?netns=5'), { method });
      expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET']);
    },
  );

  it('does not begin for a browser that prefetches', async () => {
    await using namespace = await NetworkNamespace.create();
    const response = await fetch(service.current.url(`/capture.pcapng?netns=${namespace.inode}`), {
      headers: { 'Sec-Purpose': 'prefetch;prerender' },
    });
    expect([response.status, await capturesOf(service.current)]).toEqual([503, []]);
  });

  it('does not begin for a link on the page of a stranger', async () => {
    const headers = {
      'User-Agent': 'Mozilla/5.0',
      Referer: 'http://evil.example/',
      'Sec-Fetch-Site': 'cross-site',
      'Sec-Fetch-Mode': 'navigate',
      'Sec-Fetch-Dest': 'document',
    };
    for (const path of ['/capture.pcapng?netns=5', 'http://x/capture.pcapng?netns=5']) {
      using connection = RawConnection.open(
        service.current.port,
        [
          `GET ${path} HTTP/1.1`,
          'Host: localhost',
          'Connection: close',
          ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
          '',
          '',
        ].join('\r\n'),
      );
      expect(await connection.textUntilEnd()).toMatch(/^HTTP\/1\.1 403 /);
    }
  });

  it('is the only request of its connection', async () => {
    await using namespace = await NetworkNamespace.create();
    const request = `GET /capture.pcapng?netns=${namespace.inode} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    using connection = RawConnection.open(service.current.port, request + request);
    await connection.until((bytes) => bytes.includes('capture target information'));
    await sleep(200);
    expect(await capturesOf(service.current)).toHaveLength(1);
    expect(connection.text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    connection[Symbol.dispose]();
    await noneLeft(service.current);

    using late = RawConnection.open(
      service.current.port,
      `GET /targets HTTP/1.1\r\nHost: localhost\r\n\r\n${request}`,
    );
    await late.until((bytes) => bytes.includes('pipelined'));
    expect(late.text).toMatch(/HTTP\/1\.1 400 /);
  });

  it.each([
    ['garbage', 'garbage\r\n'],
    ['an incomplete request', 'GET /x HTTP/1.1\r\n'],
    ['another request', 'GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['too long headers', `GET / HTTP/1.1\r\nx: ${'x'.repeat(300_000)}\r\n\r\n`],
    ['a websocket', handshake('/capture?netns=5')],
  ])('is followed by no response to %s of the same client', async (_, later) => {
    await using namespace = await NetworkNamespace.create();
    const request = `GET /capture.pcapng?netns=${namespace.inode} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    using connection = RawConnection.open(service.current.port, request);
    await connection.until((bytes) => bytes.includes('capture target information'));
    connection.send(later);
    await Promise.race([connection.ended, sleep(6_000)]);
    expect(connection.text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200']);
    connection[Symbol.dispose]();
    await noneLeft(service.current);

    using pipelined = RawConnection.open(service.current.port, request + later);
    await pipelined.until((bytes) => bytes.includes('capture target information'));
    await Promise.race([pipelined.ended, sleep(6_000)]);
    expect(pipelined.text.match(/HTTP\/1\.1 \d+/g)?.[0]).not.toBe('HTTP/1.1 101');
    expect(pipelined.text.match(/HTTP\/1\.1 \d+/g)?.length).toBeLessThanOrEqual(1);
    pipelined[Symbol.dispose]();
    await noneLeft(service.current);
  });

  it.each(['Content-Length: 100000000', 'Transfer-Encoding: chunked'])(
    'has no body in its request: %s',
    async (header) => {
      const head = `GET /capture.pcapng?netns=5 HTTP/1.1\r\nHost: localhost\r\n${header}\r\n\r\n`;
      using connection = RawConnection.open(service.current.port, head);
      await connection.until((bytes) => bytes.includes('must not have a body'));
      expect(connection.statusLine).toBe('HTTP/1.1 400 Bad Request');
      expect(await capturesOf(service.current)).toEqual([]);
    },
  );

  it('does not turn into a refusal when the engine dies', async () => {
    await using own = await Service.start();
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using load = await PacketSender.start(namespace, { interface: 'eth0', ratePerSecond: 5_000 });
    for (const delayMs of [0, 200, 1_500]) {
      const request = `GET /capture.pcapng?netns=${namespace.inode} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
      using connection = RawConnection.open(own.port, request);
      await connection.until((bytes) => bytes.includes('HTTP/1.1 200'));
      await sleep(delayMs);
      for (const { pid } of own.allInRole('engine')) process.kill(pid, 'SIGKILL');
      await connection.ended;
      expect(connection.text).not.toMatch(/statusCode/);
      expect(connection.text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
      await own.ready(15_000);
    }
    await load.stop();
  });

  it('can be piped into a program', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const url = service.current.url(`/capture.pcapng?netns=${namespace.inode}&nif=eth1`);
    await using pipe = await Child.start('bash', ['-c', `curl -sN '${url}' | tshark -n -l -c 3 -i -`]);
    await eventually('the capture', async () => (await capturesOf(service.current)).length === 1, 15_000);
    await sendPackets(namespace, { interface: 'eth0', count: 10 });
    expect((await pipe.succeeded()).trim().split('\n')).toHaveLength(3);
    await noneLeft(service.current);
  });

  it('captures a set', async () => {
    const targets = encodeURIComponent('[{"name":"nobody-*"}]');
    using download = await Download.open(service.current.url(`/capture.pcapng?targets=${targets}`));
    await download.until('the section', () => download.blocks.length > 0);
    expect(download.response.headers['content-disposition']).toMatch(/"nobody-[_-]*\d{8}T/);
    expect(await capturesOf(service.current)).toMatchObject([{ target: 'nobody-*', isSet: true }]);
    download[Symbol.dispose]();
    await noneLeft(service.current);
  });
});
