import { CaptureClient, type CaptureParameters } from '../kit/capture-client.js';
import { CLOSE_ENDED, CLOSE_INVALID_REQUEST } from '../kit/close-codes.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender, sendPackets } from '../kit/packets.js';
import { describeAsRoot } from '../kit/root.js';
import { readWithWireshark } from '../kit/second-opinion.js';
import { serviceForAllTests } from '../kit/service.js';

const BUSY = { ratePerSecond: 20_000, sizes: [60, 1_400, 200] };
/** Size of a statistics block, one of which follows for each interface after a limit is reached. */
const STATISTICS_BYTES = 52;

/** How a client can request a limit. */
const WAYS: [string, (name: string, value: number) => LimitedRequest][] = [
  ['in the query', (name, value) => ({ parameters: { [name]: value } })],
  ['in a header', (name, value) => ({ headers: { [`Clustershark-${name}`]: String(value) } })],
  [
    'in a header that overrides the query',
    (name, value) => ({
      parameters: { [name]: value + 1 },
      headers: { [`Clustershark-${name}`]: String(value) },
    }),
  ],
];

interface LimitedRequest {
  readonly parameters?: CaptureParameters;
  readonly headers?: Readonly<Record<string, string>>;
}

async function open(
  service: { current: Parameters<typeof CaptureClient.open>[0] },
  namespace: NetworkNamespace,
  { parameters, headers }: LimitedRequest,
): Promise<CaptureClient> {
  const client = await CaptureClient.open(
    service.current,
    { netns: namespace.inode, nif: 'eth1/wan1', ...parameters },
    { headers },
  );
  await client.described('eth1', 'wan1');
  return client;
}

async function createNamespace(): Promise<NetworkNamespace> {
  const namespace = await NetworkNamespace.create();
  await namespace.addWire('eth0', 'eth1');
  await namespace.addWire('wan0', 'wan1');
  return namespace;
}

describeAsRoot('A capture with a limit', () => {
  const service = serviceForAllTests();

  it.each(WAYS)('ends after max-packets packets, given %s', async (_, ask) => {
    await using namespace = await createNamespace();
    await using client = await open(service, namespace, ask('max-packets', 1_234));
    await using one = await PacketSender.start(namespace, { interface: 'eth0', flow: 1, ...BUSY });
    await using other = await PacketSender.start(namespace, { interface: 'wan0', flow: 2, ...BUSY });

    const { code, reason } = await client.ended();
    await Promise.all([one.stop(), other.stop()]);

    expect(code).toBe(CLOSE_ENDED);
    expect(reason).toBe('the limit of 1234 packets was reached: max-packets of the request');
    expect(client.packets).toHaveLength(1_234);
    expect(client.disorder).toBe(0);
    expect(client.kinds.slice(-2)).toEqual(['statistics', 'statistics']);
    expect(await readWithWireshark(client.stream)).toEqual({ packets: 1_234, interfaces: 2 });
  });

  it.each(WAYS)(
    'ends after the last packet that fits into max-bytes of the stream, given %s',
    async (_, ask) => {
      await using namespace = await createNamespace();
      const maxBytes = 500_000;
      await using client = await open(service, namespace, ask('max-bytes', maxBytes));
      await using sender = await PacketSender.start(namespace, { interface: 'eth0', flow: 1, ...BUSY });

      const { code, reason } = await client.ended();
      await sender.stop();

      expect(code).toBe(CLOSE_ENDED);
      expect(reason).toBe('the limit of 500000 bytes was reached: max-bytes of the request');
      const bytes = client.stream.length - 2 * STATISTICS_BYTES;
      expect(bytes).toBeLessThanOrEqual(maxBytes);
      expect(bytes).toBeGreaterThan(maxBytes - 1_500);
      const sequences = client.sequences(1);
      expect(sequences).toEqual(sequences.map((_, index) => index));
      expect((await readWithWireshark(client.stream)).packets).toBe(sequences.length);
    },
  );

  it.each(WAYS)('ends after its duration, given %s', async (_, ask) => {
    await using namespace = await createNamespace();
    await using client = await open(service, namespace, ask('duration', 2));
    const begun = performance.now();
    await using sender = await PacketSender.start(namespace, {
      interface: 'eth0',
      flow: 1,
      ratePerSecond: 200,
    });

    const { code, reason } = await client.ended();
    const lastedMs = performance.now() - begun;
    await sender.stop();

    expect(code).toBe(CLOSE_ENDED);
    expect(reason).toBe('the limit of 2 seconds was reached: duration of the request');
    expect(lastedMs).toBeGreaterThan(1_000);
    expect(lastedMs).toBeLessThan(8_000);
    expect(client.kinds.at(-1)).toBe('statistics');
    await readWithWireshark(client.stream);
  });

  it('ends after its duration even if there are no packets', async () => {
    await using namespace = await createNamespace();
    await using client = await open(service, namespace, { parameters: { duration: 1 } });
    expect((await client.ended()).code).toBe(CLOSE_ENDED);
    expect(client.packets).toEqual([]);
  });

  it('ends at the limit that is reached first', async () => {
    await using namespace = await createNamespace();
    const parameters = { duration: 1_000_000, 'max-bytes': 999_999_999_999_999, 'max-packets': 5 };
    await using client = await open(service, namespace, { parameters });
    await sendPackets(namespace, { interface: 'eth0', count: 10 });
    expect((await client.ended()).reason).toContain('max-packets');
    expect(client.packets).toHaveLength(5);
  });

  it('counts only packets that match its filter', async () => {
    await using namespace = await createNamespace();
    const parameters = { 'max-packets': 5, filter: 'udp port 4711' };
    await using client = await open(service, namespace, { parameters });
    await sendPackets(namespace, { interface: 'eth0', count: 100, udpPort: 9 });
    await sendPackets(namespace, { interface: 'eth0', count: 10, udpPort: 4711, flow: 1 });
    await client.ended();
    expect(client.sequences(1)).toEqual([0, 1, 2, 3, 4]);
  });

  it('that is too small for any packet delivers a valid stream without packets', async () => {
    await using namespace = await createNamespace();
    const parameters = { netns: namespace.inode, 'max-bytes': 1 };
    await using client = await CaptureClient.open(service.current, parameters);
    const { code, reason } = await client.ended();
    expect([code, reason]).toEqual([
      CLOSE_ENDED,
      'the limit of 1 byte was reached: max-bytes of the request',
    ]);
    expect(await readWithWireshark(client.stream)).toEqual({ packets: 0, interfaces: 4 });
  });

  it('reports the reason in the stream for clients that do not show close reasons', async () => {
    await using namespace = await createNamespace();
    const headers = {
      'Clustershark-Container': JSON.stringify({ netns: namespace.inode }),
      'Clustershark-Max-Packets': '3',
    };
    await using client = await CaptureClient.open(service.current, {}, { headers });
    await client.described('eth1');
    await sendPackets(namespace, { interface: 'eth0', count: 10 });
    const { reason } = await client.ended();
    expect(client.packets.at(-1)).toMatchObject({ comments: [reason], data: Buffer.alloc(0) });
    expect(client.packets).toHaveLength(3 + 1);
  });

  it('ends for a stalled client as soon as it reads again', async () => {
    await using namespace = await createNamespace();
    await using client = await open(service, namespace, { parameters: { duration: 3 } });
    await using sender = await PacketSender.start(namespace, { interface: 'eth0', ...BUSY });
    await client.until('packets', () => client.packets.length > 0);
    client.stall();
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    await sender.stop();
    client.resume();
    expect((await client.ended()).reason).toContain('duration of the request');
    await readWithWireshark(client.stream);
  });

  it.each([
    ['duration', '2000001'],
    ['duration', '1.5'],
    ['max-bytes', '0'],
    ['max-packets', '-1'],
    ['snaplen', '262145'],
    ['snaplen', ''],
  ])('that is invalid is refused: %s=%s', async (name, value) => {
    for (const [path, headers] of [
      [`/capture?netns=1&${name}=${value}`, {}],
      ['/capture?netns=1', { [`Clustershark-${name}`]: value }],
    ] as const) {
      await using client = await CaptureClient.open(service.current, {}, { path, headers });
      const { code, reason } = await client.ended();
      expect(code).toBe(CLOSE_INVALID_REQUEST);
      expect(reason).toMatch(new RegExp(`^${name} must be a whole number from 1 to \\d+, not "${value}"$`));
    }
  });
});

describeAsRoot('A capture from a service with limits', () => {
  const service = serviceForAllTests(['--max-packets', '100', '--max-bytes=20000', '--max-duration', '2']);

  it.each([
    [
      'max-packets of the service without its own limit',
      {},
      [60],
      100,
      /^.* 100 packets .* --max-packets of/,
    ],
    ['max-packets of the service with a higher limit', { 'max-packets': 101 }, [60], 100, / --max-packets /],
    [
      'its own max-packets below that of the service',
      { 'max-packets': 99 },
      [60],
      99,
      / max-packets of the re/,
    ],
    ['max-bytes of the service without its own limit', {}, [1_400], 13, / 20000 bytes .* --max-bytes of/],
    [
      'its own max-bytes below that of the service',
      { 'max-bytes': 9_000 },
      [1_400],
      5,
      / max-bytes of the re/,
    ],
  ])('ends at %s', async (_, parameters, sizes, packets, reason) => {
    await using namespace = await createNamespace();
    await using client = await open(service, namespace, { parameters });
    await sendPackets(namespace, { interface: 'eth0', count: 200, sizes });
    expect(await client.ended()).toMatchObject({
      code: CLOSE_ENDED,
      reason: expect.stringMatching(reason) as string,
    });
    expect(client.packets).toHaveLength(packets);
  });

  it('ends after the maximum duration of the service', async () => {
    await using namespace = await createNamespace();
    await using client = await open(service, namespace, { parameters: { duration: 60 } });
    expect(await client.ended()).toEqual({
      code: CLOSE_ENDED,
      reason: 'the limit of 2 seconds was reached: --max-duration of the service',
    });
  });
});
