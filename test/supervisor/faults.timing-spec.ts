import { setTimeout as sleep } from 'node:timers/promises';
import { startAllProcesses } from '../kit/all-processes.js';
import { CaptureClient } from '../kit/capture-client.js';
import { eventually } from '../kit/eventually.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { PacketSender } from '../kit/packets.js';
import { isAlive, privilegesOf } from '../kit/processes.js';
import { describeAsRoot } from '../kit/root.js';
import { run } from '../kit/run.js';
import { Service } from '../kit/service.js';

const MANY = 200;
/** Captures that are opened concurrently. */
const AT_ONCE = 20;
const PROMISED_END_MS = 5_000;
/** An engine checks each second whether what it captures from still exists. */
const HOLDER_CHECKS_MS = 2_500;
/** As documented in docs/reliability.md: the kernel frees the rings of killed engines one after the other. */
const PROMISED_DEATH_MS = 10_000;

interface Scene extends AsyncDisposable {
  readonly namespace: NetworkNamespace;
  readonly service: Service;
  readonly capture: () => Promise<CaptureClient>;
}

/** A service, and a veth pair with packets. */
async function scene(): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const namespace = stack.use(await NetworkNamespace.create());
  await namespace.addWire('eth0', 'eth1');
  const service = stack.use(await Service.start());
  await startAllProcesses(service);
  stack.use(await PacketSender.start(namespace, { interface: 'eth0', ratePerSecond: 50, sizes: [1400] }));
  const capture = async (): Promise<CaptureClient> => {
    const client = stack.use(await CaptureClient.open(service, { netns: namespace.inode, nif: 'eth1' }));
    await client.described('eth1');
    return client;
  };
  return { namespace, service, capture, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Runs as the user of the process: without CAP_SYS_RESOURCE, which root may lack in a container, prlimit(2) requires that. */
async function setLimit(pid: number, limit: string): Promise<void> {
  const { uids, gids } = privilegesOf(pid);
  const asThatUser = ['--reuid', String(uids[0]), '--regid', String(gids[0]), '--clear-groups', '--'];
  await run('setpriv', ...asThatUser, 'prlimit', `--pid=${pid}`, limit);
}

async function manyCaptures({ capture }: Scene): Promise<CaptureClient[]> {
  const clients: CaptureClient[] = [];
  while (clients.length < MANY) {
    clients.push(...(await Promise.all(Array.from({ length: AT_ONCE }, capture))));
  }
  return clients;
}

describeAsRoot(`With ${MANY} captures, the service`, () => {
  it('ends within 5 s of a SIGTERM, with complete streams, even if some clients do not read', async () => {
    await using it = await scene();
    const { service } = it;
    const clients = await manyCaptures(it);
    const stalled = clients.filter((_, index) => index % 10 === 0);
    for (const client of stalled) client.stall();
    service.processes();
    const begin = performance.now();
    service.child.signal('SIGTERM');
    expect(await service.child.ended).toBe(0);
    const tookMs = performance.now() - begin;
    console.info(
      `${MANY} captures, ${stalled.length} of them stalled: ended within ${Math.round(tookMs)} ms`,
    );
    expect(tookMs).toBeLessThan(PROMISED_END_MS);
    await service.nothingIsLeft(500);
    for (const client of clients) {
      if (stalled.includes(client)) continue;
      // Also checks that the stream ends with a complete block.
      expect((await client.ended()).code).toBe(1001);
      expect(client.statistics.length).toBeGreaterThan(0);
    }
    for (const client of stalled) client.resume();
  });

  it('leaves no process running after a SIGKILL', async () => {
    await using it = await scene();
    await manyCaptures(it);
    const { service } = it;
    const processes = service.processes();
    service.child.signal('SIGKILL');
    const begin = performance.now();
    await eventually('the end of all processes', () => !processes.some(isAlive), PROMISED_DEATH_MS);
    console.info(`${processes.length} processes were gone after ${Math.round(performance.now() - begin)} ms`);
  });
});

describeAsRoot('An engine that', () => {
  it.each([
    ['crashes', (pid: number) => Promise.resolve(process.kill(pid, 'SIGSEGV'))],
    ['runs out of memory', (pid: number) => setLimit(pid, '--as=1:')],
  ])('%s ends its captures with a reason and is replaced', async (_, harm) => {
    await using it = await scene();
    const { service } = it;
    const engines = service.allInRole('engine');
    const clients = await Promise.all(engines.map(() => it.capture()));
    const [engine] = engines;
    if (!engine) throw new Error('the service has no engine');
    await harm(engine.pid);
    await using provoking = new AsyncDisposableStack();
    await eventually(
      'the end of its captures',
      async () => {
        // An engine at its memory limit fails when it allocates more.
        if (isAlive(engine)) {
          provoking.use(await CaptureClient.open(service, { netns: it.namespace.inode, nif: 'eth1' }));
        }
        return clients.some(({ closing }) => closing);
      },
      30_000,
    );
    const ended = clients.flatMap(({ closing }) => closing ?? []);
    expect(ended).toEqual([{ code: 1011, reason: 'the capture engine has failed' }]);
    await eventually('another engine', () => service.allInRole('engine').length === engines.length);
    await eventually('a capture by each engine', async () => {
      for (const client of await Promise.all(engines.map(() => it.capture()))) await client.close();
      return true;
    });
  });

  it('has no free descriptors refuses captures with a reason until descriptors are free again', async () => {
    await using it = await scene();
    const { service } = it;
    const engines = service.allInRole('engine');
    const running = await Promise.all(engines.map(() => it.capture()));
    // So that each engine has begun to search for namespaces: it could not start that thread later.
    const unknown = await Promise.all(engines.map(({ pid }) => CaptureClient.open(service, { netns: pid })));
    await Promise.all(unknown.map((client) => client.ended()));
    const limit = async (count: string): Promise<void> => {
      for (const { pid } of engines) await setLimit(pid, `--nofile=${count}:`);
    };
    // The lowest free number is used for a new descriptor, so no file can be opened at all.
    await limit('8');
    const refused = await CaptureClient.open(service, { netns: it.namespace.inode, nif: 'eth1' });
    expect(await refused.ended(30_000)).toEqual({
      code: 1011,
      reason: expect.stringMatching(/\w/) as string,
    });
    await sleep(HOLDER_CHECKS_MS); // that the target still exists cannot be checked meanwhile
    await limit('1024');
    await eventually(
      'captures again',
      async () => (await (await it.capture()).close()).code === 1000,
      30_000,
    );
    for (const client of running) {
      const before = client.packets.length;
      await eventually('more packets', () => client.packets.length > before);
      expect(client.closing).toBeUndefined();
    }
    expect(service.allInRole('engine').map(({ pid }) => pid)).toEqual(engines.map(({ pid }) => pid));
  });
});
