import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { GhostwireServer, mobyshark } from '../fixtures/ghostwire-server.js';
import { CaptureClient, type Closing } from '../kit/capture-client.js';
import { CLOSE_DISCOVERY_FAILED, CLOSE_NOT_FOUND, CLOSE_STALE_OR_AMBIGUOUS } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { describeAsRoot } from '../kit/root.js';
import { freePort } from '../kit/service.js';
import { discoveryForAllTests, serviceWithGhostwire } from './directory.js';
import { factsOf, Targets } from './targets.js';

const BODY_LIMIT_BYTES = 32 * 1024 * 1024;
/** A name of no target on this machine, because the discoverer looks it up, too. */
const UNKNOWN_NAME = 'unknown target';
const PIECE = Buffer.alloc(1024 * 1024, ' ');

describeAsRoot('When GhostWire', () => {
  const discovery = discoveryForAllTests();
  let targets: Targets;

  beforeAll(async () => (targets = await Targets.create()));
  afterAll(() => targets[Symbol.asyncDispose]());

  it.each<[string, RequestListener, RegExp]>([
    ['answers with a web page', answering('<!DOCTYPE html><h1>hi</h1>', 'text/html'), /not JSON/],
    ['answers with a web page of type JSON', answering('<html>'), /not JSON/],
    ['answers with an empty body', answering(''), /not JSON/],
    ['answers with truncated JSON', answering('{"containers":[{"name":"we'), /not JSON/],
    ['answers with a number', answering('42'), /not of the expected shape/],
    ['answers with null', answering('null'), /not of the expected shape/],
    ['answers with a list', answering('[]'), /not of the expected shape/],
    ['answers without containers', answering('{"metadata":{}}'), /not of the expected shape/],
    ['answers with containers of another type', answering('{"containers":{"web":1}}'), /expected shape/],
    ['answers with invalid entries only', answering('{"containers":[null,5,{}]}'), /expected shape/],
    [
      'answers with status 500',
      (_, response) => response.writeHead(500).end('{"containers":[]}'),
      /status 500/,
    ],
    ['answers with status 404', (_, response) => response.writeHead(404).end(), /status 404/],
    ['closes the connection before its answer', (request) => request.socket.destroy(), /GhostWire/],
    ['closes the connection within its answer', closingConnection, /broke off/],
    ['answers in another protocol', (request) => request.socket.end('SSH-2.0-OpenSSH_9\r\n'), /GhostWire/],
    ['answers without end', endless, new RegExp(`too large: over ${BODY_LIMIT_BYTES} bytes`)],
  ])(
    '%s, captures by name are refused with a reason, and others are not affected',
    async (_, answer, reason) => {
      discovery.current.ghostwire.answer = answer;
      const { code, reason: given } = await refusalOf({ name: 'web' });
      expect(given).toMatch(reason);
      expect(code).toBe(CLOSE_DISCOVERY_FAILED);
      await expectCapture('first0', targets.firstProcess);
      await expectCapture('bound0', { netns: targets.bound.inode });
    },
  );

  it('redirects, the service does not follow', async () => {
    const elsewhere = await new GhostwireServer(
      mobyshark([{ name: 'web', ...targets.firstProcess }]),
    ).listen();
    try {
      discovery.current.ghostwire.answer = (_, response) =>
        response.writeHead(302, { location: `http://127.0.0.1:${elsewhere.port}/mobyshark` }).end();
      expect(await refusalOf({ name: 'web' })).toEqual({
        code: CLOSE_DISCOVERY_FAILED,
        reason: expect.stringContaining('302') as string,
      });
      expect(elsewhere.requests).toHaveLength(0);
    } finally {
      await elsewhere.close();
    }
  });

  it('cannot be reached, captures by name are refused with a reason', async () => {
    const port = await freePort();
    await using service = await serviceWithGhostwire(port);
    for (const container of [{ name: UNKNOWN_NAME }, { name: UNKNOWN_NAME, netns: targets.first.inode }]) {
      await using client = await CaptureClient.open(service, { container });
      expect(await client.ended()).toEqual({
        code: CLOSE_DISCOVERY_FAILED,
        reason: `GhostWire cannot be reached (ECONNREFUSED): 127.0.0.1 port ${port}`,
      });
    }
    await using client = await CaptureClient.open(service, { container: targets.firstProcess });
    await client.described('first0');
  });

  it('lists no targets, no target is found', async () => {
    for (const containers of [[], null]) {
      discovery.current.ghostwire.answer = mobyshark(containers);
      expect(await refusalOf({ name: 'web' })).toMatchObject({ code: CLOSE_NOT_FOUND });
    }
  });

  it('lists invalid entries among others, they are ignored', async () => {
    discovery.current.ghostwire.answer = answering(
      JSON.stringify({
        metadata: null,
        containers: [
          null,
          5,
          'web',
          [],
          {},
          { name: 'web' },
          { name: 'web', netns: '12' },
          { name: 'web', netns: -1 },
          { name: 'web', netns: targets.second.inode, pid: 1.5 },
          { name: 'web', ...targets.firstProcess, prefix: null, type: null, 'network-interfaces': null },
        ],
      }),
    );
    await expectCapture('first0', { name: 'web' });
  });

  it('lists a stale target, the request is repeated once', async () => {
    const { ghostwire } = discovery.current;
    const gone = await targets.ended(targets.second);
    for (const wrong of [
      gone,
      { ...targets.firstProcess, starttime: 1 },
      { netns: 1, pid: 0, starttime: 0 },
    ]) {
      const before = ghostwire.requests.length;
      ghostwire.answer = (request, response) => {
        ghostwire.answer = mobyshark([{ name: 'web', ...targets.firstProcess }]);
        mobyshark([{ name: 'web', ...wrong }])(request, response);
      };
      await expectCapture('first0', { name: 'web' });
      expect(ghostwire.requests.length - before).toBe(2);
    }
  });

  it('lists the stale target again, the capture is refused', async () => {
    const { ghostwire } = discovery.current;
    await using replacement = await targets.replaced(targets.second, targets.first);
    const { facts, successor } = replacement;
    const before = ghostwire.requests.length;
    ghostwire.answer = mobyshark([{ name: 'web', ...facts }]);
    expect(await refusalOf({ name: 'web' })).toMatchObject({ code: CLOSE_STALE_OR_AMBIGUOUS });
    expect(ghostwire.requests.length - before).toBe(2);
    // The process exists, but in another namespace than the listed one.
    ghostwire.answer = mobyshark([{ name: 'web', ...factsOf(successor.pid, targets.second) }]);
    expect(await refusalOf({ name: 'web' })).toMatchObject({ code: CLOSE_STALE_OR_AMBIGUOUS });
  });

  it('is slow, concurrent captures share one request', async () => {
    const { ghostwire, service } = discovery.current;
    const before = ghostwire.requests.length;
    const held: (() => void)[] = [];
    ghostwire.answer = (request, response) =>
      void held.push(() => mobyshark([{ name: 'web', ...targets.firstProcess }])(request, response));
    await using made = new AsyncDisposableStack();
    const clients: CaptureClient[] = [];
    for (let count = 0; count < 5; count += 1) {
      clients.push(made.use(await CaptureClient.open(service, { container: { name: 'web' } })));
    }
    await eventually('the request to GhostWire', () => held.length > 0);
    expect(clients.map(({ closing }) => closing)).toEqual(clients.map(() => undefined));
    // The server handles requests in order: after this one, the last capture has requested the list, too.
    expect((await fetch(service.url('/version'))).ok).toBe(true);
    held.forEach((answer) => answer());
    for (const client of clients) await client.described('first0');
    expect(ghostwire.requests.length - before).toBe(1);
  });

  async function refusalOf(container: object): Promise<Closing> {
    await using client = await CaptureClient.open(discovery.current.service, { container });
    return await client.ended();
  }

  async function expectCapture(interfaceName: string, container: object): Promise<void> {
    await using client = await CaptureClient.open(discovery.current.service, { container });
    await client.described(interfaceName);
    expect(client.interfaceNames).toEqual([interfaceName]);
  }
});

function answering(body: string, type = 'application/json'): RequestListener {
  return (_, response) => response.setHeader('content-type', type).end(body);
}

function closingConnection(_: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-length': '1000' });
  response.write('{"containers":[', () => response.destroy());
}

function endless(_: IncomingMessage, response: ServerResponse): void {
  const write = (): void => {
    while (!response.destroyed && response.write(PIECE));
    if (!response.destroyed) response.once('drain', write);
  };
  response.once('error', () => undefined);
  write();
}
