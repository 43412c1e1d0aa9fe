import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_INVALID_REQUEST } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

describeAsRoot('A capture request', () => {
  const service = serviceForAllTests();

  it.each([
    ['netns is not a number', '?netns=abc', /netns/],
    ['netns is 0', '?netns=0', /netns/],
    ['netns is negative', '?netns=-1', /netns/],
    ['netns is a fraction', '?netns=1.5', /netns/],
    ['netns is hexadecimal', '?netns=0x10', /netns/],
    ['netns has an exponent', '?netns=1e3', /netns/],
    ['netns is not a safe integer', '?netns=9007199254740993', /netns/],
    [
      'both netns and container are given',
      '?netns=1&container=%7B%22netns%22%3A1%7D',
      /netns.*container|container.*netns/,
    ],
    ['neither netns nor container is given', '', /netns.*container|container.*netns/],
    ['container is not JSON', '?container=%7B', /container/],
    ['container is not an object', '?container=%5B%5D', /container/],
    ['container is null', '?container=null', /container/],
    [
      'container has neither netns nor name',
      '?container=%7B%22type%22%3A%22docker%22%7D',
      /netns.*name|name.*netns/,
    ],
    ['an attribute has a wrong type', '?container=%7B%22netns%22%3A%221%22%7D', /netns/],
    ['an attribute is a fraction', '?container=%7B%22netns%22%3A1%2C%22pid%22%3A1.5%7D', /pid/],
    ['an attribute is negative', '?container=%7B%22netns%22%3A1%2C%22starttime%22%3A-1%7D', /starttime/],
  ])('is refused with a reason that names the parameter: %s', async (_, query, reason) => {
    await using client = await CaptureClient.open(service.current, {}, { path: `/capture${query}` });

    const closing = await client.ended();

    expect(closing.code).toBe(CLOSE_INVALID_REQUEST);
    expect(closing.reason).toMatch(reason);
    expect(client.stream).toHaveLength(0);
  });

  it('in headers is refused with a stream that contains the reason, so that Wireshark shows it', async () => {
    const headers = { 'Clustershark-Container': '{"netns":-1}' };
    await using client = await CaptureClient.open(service.current, {}, { headers });

    const { code, reason } = await client.ended();

    expect(code).toBe(CLOSE_INVALID_REQUEST);
    expect(reason).toMatch(/netns/);
    expect(client.comments.join()).toContain(reason);
    expect(client.packets.map(({ data, comments }) => [data.length, comments])).toEqual([[0, [reason]]]);
  });

  it('can consist of headers only', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const headers = {
      'Clustershark-Container': JSON.stringify({
        netns: namespace.inode,
        name: '',
        'network-interfaces': ['eth0'],
      }),
      'Clustershark-Nif': 'eth1',
      'Clustershark-Filter': 'udp port 4711',
      'Clustershark-Chaste': '',
    };
    await using client = await CaptureClient.open(service.current, {}, { headers });
    await client.described('eth1');

    await sendPackets(namespace, { interface: 'eth0', count: 10, udpPort: 9, flow: 1 });
    await sendPackets(namespace, { interface: 'eth0', count: 10, udpPort: 4711, flow: 2 });
    await client.received(10, 2);

    expect(client.interfaceNames).toEqual(['eth1']);
    expect(client.sequences(1)).toEqual([]);
    expect(client.comments[0]).toMatch(/^capture-filter: udp port 4711$/m);
    expect(client.comments[0]).toMatch(/^no-promiscuous-mode: true$/m);
  });

  it('uses the header when header and query differ', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const headers = {
      'Clustershark-Container': JSON.stringify({ netns: namespace.inode }),
      'Clustershark-Nif': 'eth1',
      'Clustershark-Filter': 'udp port 4711',
    };
    const parameters = { container: { netns: 1 }, nif: 'eth0', filter: 'tcp' };
    await using client = await CaptureClient.open(service.current, parameters, { headers });
    await client.described('eth1');

    expect(client.interfaces).toMatchObject([{ name: 'eth1', filter: 'udp port 4711' }]);
  });

  it('uses the first value when a parameter occurs twice', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const path = `/capture?netns=${namespace.inode}&nif=eth1&nif=eth0&netns=1&filter=udp&filter=tcp`;
    await using client = await CaptureClient.open(service.current, {}, { path });
    await client.described('eth1');

    expect(client.interfaces).toMatchObject([{ name: 'eth1', filter: 'udp' }]);
  });

  it('may contain UTF-8 in its headers', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('büro0', 'büro1');
    const container = { netns: namespace.inode, type: 'bürö-🐳', 'node-name': 'knöten' };
    const headers = {
      'Clustershark-Container': asHeader(JSON.stringify(container)),
      'Clustershark-Nif': asHeader('büro1'),
    };
    await using client = await CaptureClient.open(service.current, {}, { headers });
    await client.described('büro1');

    expect(client.comments[0]).toContain('container-type: bürö-🐳\n');
    expect(client.comments[0]).toContain('node-name: knöten\n');
  });

  it('uses the interfaces of the container when nif is absent, and ignores unknown attributes', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const container = `{"netns":${namespace.inode},"network-interfaces":["eth1"],"later":{"a":[1]},
      "__proto__":{"name":"evil","type":"evil"},"constructor":1,"pid":0,"starttime":0,"cluster":null}`;
    await using client = await CaptureClient.open(service.current, { container });
    await client.described('eth1');

    expect(client.interfaceNames).toEqual(['eth1']);
    expect(client.comments[0]).not.toContain('evil');
  });

  it.each([
    ['null', null],
    ['empty', []],
  ])('selects all interfaces when the list of the container is %s', async (_, list) => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const container = { netns: namespace.inode, 'network-interfaces': list };
    await using client = await CaptureClient.open(service.current, { container });

    await client.described('eth0', 'eth1');
  });

  it('may name 1,000 interfaces, in the query and again in a header', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const names = [...Array.from({ length: 999 }, (_, index) => `missing-${1_000 + index}`), 'eth1'];
    const container = { netns: namespace.inode, 'network-interfaces': names };
    const parameters = { container, nif: names.join('/') };
    const headers = {
      'Clustershark-Container': JSON.stringify(container),
      'Clustershark-Nif': names.join('/'),
    };
    await using client = await CaptureClient.open(service.current, parameters, { headers });

    await client.described('eth1');
  });

  it('whose interface names exceed the message size between server and engine is refused and ends no other capture', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const { inode: netns } = namespace;
    const others = await Promise.all(
      Array.from({ length: 4 }, () => CaptureClient.open(service.current, { netns, nif: 'eth1' })),
    );
    await Promise.all(others.map((other) => other.described('eth1')));
    // Each of these characters takes two bytes in JSON.
    const names = Array.from({ length: 15_500 }, (_, number) =>
      number.toString(2).padStart(15, '0').replaceAll('0', '"').replaceAll('1', '\\'),
    );
    const headers = {
      'Clustershark-Nif': ['eth1', ...names].join('/'),
      'Clustershark-Filter': `udp or ${'"'.repeat(4_000)}`,
      'Clustershark-Container': JSON.stringify({
        netns,
        pid: process.pid,
        name: `\u0001${'\\'.repeat(4_000)}`,
      }),
    };

    await using client = await CaptureClient.open(service.current, {}, { headers });
    const { code, reason } = await client.ended();
    expect(code).toBe(CLOSE_INVALID_REQUEST);
    expect(reason).toMatch(/^nif: /);
    await sendPackets(namespace, { interface: 'eth0', count: 3 });
    for (const other of others) {
      await other.until('packets', () => other.tagged().length === 3);
      await other.close();
    }
  });

  it('may use the path /discover/capture, as the page of GhostWire does', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(
      service.current,
      { netns: namespace.inode, nif: 'eth1' },
      { path: '/discover/capture' },
    );

    await client.described('eth1');
  });

  it('makes the interfaces promiscuous until the capture ends', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using client = await CaptureClient.open(service.current, { netns: namespace.inode, nif: 'eth1' });
    await client.described('eth1');

    await eventually('promiscuous mode', async () => (await namespace.promiscuity('eth1')) === 1);
    expect(await namespace.promiscuity('eth0')).toBe(0);
    await client.close();
    await eventually('the end of promiscuous mode', async () => (await namespace.promiscuity('eth1')) === 0);
  });

  it.each([
    ['chaste', '&chaste'],
    ['chaste=', '&chaste='],
    ['chaste=false, since any value counts', '&chaste=false'],
  ])('does not make the interfaces promiscuous with %s', async (_, chaste) => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const path = `/capture?netns=${namespace.inode}&nif=eth1${chaste}`;
    await using client = await CaptureClient.open(service.current, {}, { path });
    await client.described('eth1');

    await sendPackets(namespace, { interface: 'eth0', count: 10 });
    await client.received(10);

    expect(await namespace.promiscuity('eth1')).toBe(0);
  });
});

/** Node sends header values in latin1, one byte for each character. */
function asHeader(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
