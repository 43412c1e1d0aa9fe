import { writeFileSync } from 'node:fs';
import { mobyshark } from '../fixtures/ghostwire-server.js';
import { CaptureClient, type CaptureParameters } from '../kit/capture-client.js';
import { CLOSE_DISCOVERY_FAILED, CLOSE_ENDED, CLOSE_INVALID_REQUEST } from '../kit/close-codes.js';
import { CLOSE_NOT_FOUND, CLOSE_SHUTTING_DOWN, CLOSE_STALE_OR_AMBIGUOUS } from '../kit/close-codes.js';
import { namespaceOfProcess } from '../kit/namespace-holders.js';
import { sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { run } from '../kit/run.js';
import { readWithWireshark, TemporaryFile, tsharkFields } from '../kit/second-opinion.js';
import { discoveryForAllTests, serviceWithGhostwire } from './directory.js';
import { Targets } from './targets.js';

describeAsRoot('Wireshark shows', () => {
  const discovery = discoveryForAllTests();
  let targets: Targets;

  beforeAll(async () => {
    targets = await Targets.create();
    discovery.current.ghostwire.answer = mobyshark([
      { name: 'web', type: 'docker', ...targets.firstProcess },
      { name: 'twin', type: 'docker', ...targets.firstProcess },
      { name: 'twin', type: 'podman', ...targets.secondProcess },
    ]);
  });
  afterAll(() => targets[Symbol.asyncDispose]());

  it('the target of a capture as it was found, with the attributes that only the client knows', async () => {
    const container = {
      netns: 1,
      pid: 1,
      starttime: 1,
      name: 'web',
      'node-name': 'knöten: 1',
      cluster: { context: 'kind', uid: '123' },
    };
    const request = { container, filter: 'tcp port 80', chaste: true };
    await using client = await CaptureClient.open(discovery.current.service, request);
    await client.described('first0');

    const { netns, pid, starttime } = targets.firstProcess;
    expect(client.comments).toHaveLength(2);
    expect(client.comments[0]).toBe(`---
# capture target information
container-name: web
container-type: docker
node-name: "knöten: 1"
cluster:
    uid: "123"
capture-filter: tcp port 80
no-promiscuous-mode: true
`);
    expect(client.comments[1]).toContain(
      `    inode: ${netns}\n    pid: ${pid}\n    start-time: ${starttime}\n`,
    );
    expect(client.comments[1]).toContain(`peer: 127.0.0.1:${client.ports.local}\n`);
    expect(await sectionComments(client.stream)).toContain('container-name: web');
  });

  it('the target of a capture of which only the namespace is known', async () => {
    await using client = await CaptureClient.open(discovery.current.service, { netns: targets.first.inode });
    await client.described('first0');
    expect(client.comments[0]).toBe(
      '---\n# capture target information\ncontainer-name: ""\ncontainer-type: ""\nnode-name: ""\n',
    );
  });

  it.each<[string, string, number, RegExp, CaptureParameters?]>([
    ['is not valid', '{"netns":-1}', CLOSE_INVALID_REQUEST, /netns/],
    ['is not JSON', 'nonsense', CLOSE_INVALID_REQUEST, /container/],
    ['contains a forbidden interface name', '{"netns":1}', CLOSE_INVALID_REQUEST, /TCP@/, { nif: 'TCP@a' }],
    ['refers to a namespace that does not exist', '{"netns":1}', CLOSE_NOT_FOUND, /namespace 1/],
    [
      'refers to a process that does not exist',
      '{"netns":1,"pid":2147483648}',
      CLOSE_STALE_OR_AMBIGUOUS,
      /process/,
    ],
    ['refers to a target that does not exist', '{"name":"größe-🐳"}', CLOSE_NOT_FOUND, /größe-🐳/],
    ['is ambiguous', '{"name":"twin"}', CLOSE_STALE_OR_AMBIGUOUS, /ambiguous/],
  ])('why a request in headers was refused: it %s', async (_, container, code, reason, parameters = {}) => {
    const headers = { 'Clustershark-Container': Buffer.from(container).toString('latin1') };
    await using client = await CaptureClient.open(discovery.current.service, parameters, { headers });
    expect(await client.ended()).toEqual({ code, reason: expect.stringMatching(reason) as string });
    await expectReason(client, reason);
  });

  it('why a request in headers was refused: GhostWire cannot be reached', async () => {
    await using service = await serviceWithGhostwire(1);
    const headers = { 'Clustershark-Container': '{"name":"known to nobody"}' };
    await using client = await CaptureClient.open(service, {}, { headers });
    expect(await client.ended()).toMatchObject({ code: CLOSE_DISCOVERY_FAILED });
    await expectReason(client, /GhostWire cannot be reached/);
  });

  it('why a stream has ended: its target has ended', async () => {
    await using namespace = await namespaceOfProcess();
    await namespace.addWire('eth0', 'eth1');
    const headers = { 'Clustershark-Container': JSON.stringify({ netns: namespace.inode }) };
    await using client = await CaptureClient.open(discovery.current.service, { nif: 'eth1' }, { headers });
    await client.described('eth1');
    await sendPackets(namespace, { interface: 'eth0', count: 3 });
    await client.received(3);
    await namespace.end();

    const { code, reason } = await client.ended();
    expect(code).toBe(CLOSE_ENDED);
    expect(client.packets.at(-1)).toMatchObject({ originalLength: 0, comments: [reason] });
    expect(client.packets.filter(({ comments }) => comments.length > 0)).toHaveLength(1);
    expect((await packetComments(client.stream)).at(-1)).toBe(reason);
    await readWithWireshark(client.stream);
  });

  it('why a stream has ended, even without packets: the service has ended', async () => {
    await using service = await serviceWithGhostwire(1);
    const headers = { 'Clustershark-Container': JSON.stringify({ netns: targets.second.inode }) };
    await using client = await CaptureClient.open(service, {}, { headers });
    await client.described('second0');
    service.terminate();
    const { code, reason } = await client.ended();
    expect(code).toBe(CLOSE_SHUTTING_DOWN);
    expect(await packetComments(client.stream)).toEqual([reason]);
  });

  it('no reason in the stream when the client can read the close reason', async () => {
    await using client = await CaptureClient.open(discovery.current.service, { container: '{"netns":1}' });
    expect(await client.ended()).toMatchObject({ code: CLOSE_NOT_FOUND });
    expect(client.stream).toHaveLength(0);
  });
});

/** Expects the reason in the comments of packet and section, and a valid file. */
async function expectReason(client: CaptureClient, reason: RegExp): Promise<void> {
  expect(await packetComments(client.stream)).toEqual([expect.stringMatching(reason)]);
  expect(await sectionComments(client.stream)).toMatch(reason);
  expect(await readWithWireshark(client.stream)).toEqual({ packets: 1, interfaces: 1 });
  expect(client.packets).toMatchObject([{ originalLength: 0 }]);
}

async function packetComments(stream: Buffer): Promise<(string | undefined)[]> {
  return (await tsharkFields(stream, 'frame.number', 'frame.comment')).map(([, comment]) => comment);
}

/** The comments that "Capture File Properties" of Wireshark shows. */
async function sectionComments(stream: Buffer): Promise<string> {
  using file = new TemporaryFile('stream.pcapng');
  writeFileSync(file.path, stream);
  return await run('capinfos', '-k', file.path);
}
