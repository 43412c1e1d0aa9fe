import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_TOO_MANY_CAPTURES } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

/** The kernel needs seconds to allocate hundreds of rings. */
const OPENING_TIMEOUT_MS = 60_000;

/** With and without a close frame. */
const WAYS_TO_LEAVE: ((client: CaptureClient) => Promise<unknown> | void)[] = [
  (client) => client.close(),
  (client) => client.abort(),
];

/** Not a multiple of the number of engines. */
const MAX_CAPTURES = 7;

describeAsRoot('The limit of captures', () => {
  const service = serviceForAllTests(['--max-captures', String(MAX_CAPTURES)]);

  it('applies to the captures of all engines together and is named in the reason', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using clients = new Clients();
    const request = { netns: namespace.inode, nif: 'eth1' };
    for (let count = 0; count < MAX_CAPTURES; count++) await clients.open(service.current, request);
    await Promise.all(clients.all.map((client) => client.described('eth1')));

    for (let again = 0; again < 3; again++) {
      await using refused = await CaptureClient.open(service.current, request);
      expect(await refused.ended()).toEqual({
        code: CLOSE_TOO_MANY_CAPTURES,
        reason: `the limit of ${MAX_CAPTURES} captures is reached: --max-captures of the service`,
      });
    }
    for (const client of clients.all) expect(client.closing).toBeUndefined();
  });

  it('no longer counts a client that has closed or crashed', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const request = { netns: namespace.inode, nif: 'eth1' };
    await using clients = new Clients();
    for (let count = 0; count < MAX_CAPTURES; count++) await clients.open(service.current, request);
    await Promise.all(clients.all.map((client) => client.described('eth1')));

    for (const leave of WAYS_TO_LEAVE) {
      for (const client of clients.all.splice(0).filter(({ closing }) => closing === undefined)) {
        await leave(client);
        await eventually('a free slot', async () => {
          const next = await clients.open(service.current, request);
          await next.described('eth1');
          return true;
        });
      }
      expect(clients.all.filter(({ closing }) => closing === undefined)).toHaveLength(MAX_CAPTURES);
    }
  });

  it('no longer counts a client that has left before its capture started', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const request = { netns: namespace.inode, nif: 'eth1' };
    for (let round = 0; round < 5 * MAX_CAPTURES; round++) {
      const client = await CaptureClient.open(service.current, request);
      client.abort();
    }
    await using clients = new Clients();
    await eventually('free slots', async () => {
      await using some = new Clients();
      for (let count = 0; count < MAX_CAPTURES; count++) await some.open(service.current, request);
      await Promise.all(some.all.map((client) => client.described('eth1')));
      return true;
    });
    await clients.open(service.current, request);
  });

  it('is named in the stream for clients that do not show close reasons', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using clients = new Clients();
    const request = { netns: namespace.inode, nif: 'eth1' };
    await eventually('free slots', async () => {
      const client = await clients.open(service.current, request);
      await client.until('an answer', () => client.closing !== undefined || client.interfaces.length > 0);
      return client.closing !== undefined;
    });
    const headers = { 'Clustershark-Container': JSON.stringify({ netns: namespace.inode }) };
    await using refused = await CaptureClient.open(service.current, {}, { headers });
    const { reason } = await refused.ended();
    expect(reason).toContain('--max-captures');
    expect(refused.packets.map(({ comments }) => comments)).toEqual([[reason]]);
  });
});

describeAsRoot('The maximum number of captures', () => {
  const service = serviceForAllTests();

  it(
    'can be requested at once: those that cannot be opened immediately wait',
    async () => {
      await using namespace = await NetworkNamespace.create();
      await namespace.addWire('eth0', 'eth1');
      await using clients = new Clients();
      const request = { netns: namespace.inode, nif: 'eth1', filter: 'udp port 4711' };
      await Promise.all(Array.from({ length: 256 }, () => clients.open(service.current, request)));
      await Promise.all(
        clients.all.map((client) =>
          client.until('its interface', () => client.interfaces.length === 1, OPENING_TIMEOUT_MS),
        ),
      );

      await using refused = await CaptureClient.open(service.current, request);
      expect((await refused.ended()).code).toBe(CLOSE_TOO_MANY_CAPTURES);
      expect(clients.all.filter(({ closing }) => closing !== undefined)).toEqual([]);
    },
    2 * OPENING_TIMEOUT_MS,
  );
});

/** Clients that are disconnected at the end of a test. */
class Clients implements AsyncDisposable {
  readonly all: CaptureClient[] = [];

  async open(...args: Parameters<typeof CaptureClient.open>): Promise<CaptureClient> {
    const client = await CaptureClient.open(...args);
    this.all.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((client) => client[Symbol.asyncDispose]()));
  }
}
