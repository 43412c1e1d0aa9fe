import { CaptureClient } from '../kit/capture-client.js';
import { CLOSE_TOO_MANY_CAPTURES } from '../kit/close-codes.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

/** Opening as many rings takes the kernel its time. */
const PATIENCE_MS = 60_000;

/** In order, and like one that has crashed. */
const WAYS_TO_LEAVE: ((client: CaptureClient) => Promise<unknown> | void)[] = [
  (client) => client.close(),
  (client) => client.abort(),
];

/** A number that no engine count divides. */
const MOST = 7;

describeAsRoot('The limit of captures in all', () => {
  const service = serviceForAllTests(['--max-captures', String(MOST)]);

  it('holds exactly, whichever engines the captures are on, and says so', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using clients = new Clients();
    const request = { netns: namespace.inode, nif: 'eth1' };
    for (let count = 0; count < MOST; count++) await clients.open(service.current, request);
    await Promise.all(clients.all.map((client) => client.described('eth1')));

    for (let again = 0; again < 3; again++) {
      await using refused = await CaptureClient.open(service.current, request);
      expect(await refused.ended()).toEqual({
        code: CLOSE_TOO_MANY_CAPTURES,
        reason: `the limit of ${MOST} captures is reached: --max-captures of the service`,
      });
    }
    for (const client of clients.all) expect(client.closing).toBeUndefined();
  });

  it('frees the place of a client that closes, and of one that crashes', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const request = { netns: namespace.inode, nif: 'eth1' };
    await using clients = new Clients();
    for (let count = 0; count < MOST; count++) await clients.open(service.current, request);
    await Promise.all(clients.all.map((client) => client.described('eth1')));

    for (const leave of WAYS_TO_LEAVE) {
      for (const client of clients.all.splice(0).filter(({ closing }) => closing === undefined)) {
        await leave(client);
        await eventually('a place', async () => {
          const next = await clients.open(service.current, request);
          await next.described('eth1');
          return true;
        });
      }
      expect(clients.all.filter(({ closing }) => closing === undefined)).toHaveLength(MOST);
    }
  });

  it('gives the place back of a client that is gone before its capture has begun', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    const request = { netns: namespace.inode, nif: 'eth1' };
    for (let round = 0; round < 5 * MOST; round++) {
      const client = await CaptureClient.open(service.current, request);
      client.abort();
    }
    await using clients = new Clients();
    await eventually('all places', async () => {
      await using some = new Clients();
      for (let count = 0; count < MOST; count++) await some.open(service.current, request);
      await Promise.all(some.all.map((client) => client.described('eth1')));
      return true;
    });
    await clients.open(service.current, request);
  });

  it('tells the reason in the stream where the client shows no close reason', async () => {
    await using namespace = await NetworkNamespace.create();
    await namespace.addWire('eth0', 'eth1');
    await using clients = new Clients();
    const request = { netns: namespace.inode, nif: 'eth1' };
    await eventually('all places', async () => {
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

describeAsRoot('As many captures as there may be', () => {
  const service = serviceForAllTests();

  it(
    'may be asked for at the same moment: those that cannot be opened at once wait',
    async () => {
      await using namespace = await NetworkNamespace.create();
      await namespace.addWire('eth0', 'eth1');
      await using clients = new Clients();
      const request = { netns: namespace.inode, nif: 'eth1', filter: 'udp port 4711' };
      await Promise.all(Array.from({ length: 256 }, () => clients.open(service.current, request)));
      await Promise.all(
        clients.all.map((client) =>
          client.until('its interface', () => client.interfaces.length === 1, PATIENCE_MS),
        ),
      );

      await using refused = await CaptureClient.open(service.current, request);
      expect((await refused.ended()).code).toBe(CLOSE_TOO_MANY_CAPTURES);
      expect(clients.all.filter(({ closing }) => closing !== undefined)).toEqual([]);
    },
    2 * PATIENCE_MS,
  );
});

/** Clients that are all gone when the test is over. */
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
