import { CaptureError } from '../../src/shared/protocol/capture-error.js';
import type { CaptureSpec } from '../../src/shared/protocol/capture-spec.js';
import { ServerUnderTest, scriptedCapture } from './server-under-test.js';

describe('The server', () => {
  const requests: CaptureSpec[] = [];
  let server: ServerUnderTest;

  beforeAll(async () => {
    server = await ServerUnderTest.start((request) => {
      requests.push(request);
      const { netns } = request.reference;
      if (netns === 404) throw new CaptureError('no-such-namespace', 'there is no network namespace 404');
      if (netns === 409) throw new CaptureError('stale-reference', 'process 5 has ended');
      if (netns === 429) throw new CaptureError('too-many-captures', '🐳'.repeat(100));
      if (netns === 666) throw new TypeError('secret');
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- a faulty provider may do this
      if (netns === 667) throw 'garbage';
      return Promise.resolve(
        scriptedCapture([Buffer.from('data')], { code: 'target-ended', message: 'over' }),
      );
    });
  });
  beforeEach(() => (requests.length = 0));
  afterAll(() => server.close());

  it.each([
    ['/capture', 4400, /^container or netns/],
    ['/capture?netns=x', 4400, /^netns must be/],
    ['/capture?netns=5&container={"netns":5}', 4400, /exclude/],
    ['/capture?netns=5&nif=TCP@host', 4400, /^nif: "TCP@host"/],
    ['/capture?netns=5&filter=a%00b', 4400, /^filter/],
    ['/capture?container={"name":"gone"}', 4404, /gone/],
    ['/capture?netns=404', 4404, /^there is no network namespace 404$/],
    ['/discover/capture?netns=404', 4404, /^there is no network namespace 404$/],
    ['/capture?netns=409', 4409, /^process 5 has ended$/],
    ['/capture?netns=429', 4429, /^🐳{30}$/u],
    ['/capture?netns=666', 1011, /^internal error$/],
    ['/capture?netns=667', 1011, /^internal error$/],
  ])('closes %s with %d', async (target, code, reason) => {
    const client = server.connect(target);
    expect(await client.closed).toEqual({ code, reason: expect.stringMatching(reason) as string });
    expect(client.received).toHaveLength(0);
  });

  it('puts the reason into the stream for clients that do not show close reasons', async () => {
    const client = server.connect('/capture', { headers: { 'Clustershark-Container': '{"netns":404}' } });
    expect((await client.closed).code).toBe(4404);
    expect(client.received.readUInt32LE(0)).toBe(0x0a0d0d0a);
    expect(client.received.toString()).toContain('there is no network namespace 404');
  });

  it('puts the reason into the stream even if the header itself is invalid', async () => {
    const client = server.connect('/capture', { headers: { 'Clustershark-Container': 'random bytes' } });
    expect((await client.closed).code).toBe(4400);
    expect(client.received.readUInt32LE(0)).toBe(0x0a0d0d0a);
  });

  it('passes the capture spec and the connection to exclude to the provider', async () => {
    const client = server.connect('/capture?netns=5&filter=tcp&nif=eth0/lo&chaste=');
    expect(await client.closed).toEqual({ code: 1000, reason: 'over' });
    expect(requests).toMatchObject([
      {
        reference: { netns: 5 },
        interfaces: ['eth0', 'lo'],
        filter: 'tcp',
        promiscuous: false,
        excludedConnections: [{ address: '127.0.0.1', port: server.port, peerAddress: '127.0.0.1' }],
      },
    ]);
    expect(requests[0]?.sectionComments[0]).toContain('capture-filter: tcp\n');
  });

  it('uses the first of repeated headers, which has priority over the query', async () => {
    const client = server.connect('/capture?netns=5&filter=query', {
      headers: { 'Clustershark-Filter': ['first', 'second'] as never },
    });
    await client.closed;
    expect(requests[0]?.filter).toBe('first');
  });

  it('accepts 200 kB of headers and refuses more than 256 KiB with 431', async () => {
    const names = (count: number) => Array.from({ length: count }, (_, index) => `if${index + 1_000_000}`);
    const fits = server.connect('/capture?netns=5', {
      headers: { 'Clustershark-Nif': names(20_000).join('/') },
    });
    expect((await fits.closed).code).toBe(1000);
    expect(requests[0]?.interfaces).toHaveLength(20_000);

    const tooBig = server.connect('/capture?netns=5', {
      headers: { 'Clustershark-Nif': names(27_000).join('/') },
    });
    expect(await tooBig.refused).toBe(431);
  });

  it('negotiates neither a subprotocol nor compression', async () => {
    const client = server.connect('/capture?netns=5', { perMessageDeflate: true });
    await client.opened;
    expect(client.socket.extensions).toBe('');
    expect(client.socket.protocol).toBe('');
    await client.closed;
  });
});
