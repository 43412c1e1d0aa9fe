import { setTimeout as delay } from 'node:timers/promises';
import type { Child } from '../kit/child.js';
import { describeAsRoot } from '../kit/root.js';
import { RemoteMachine } from './remote-client.js';
import { WatchedServer } from './watched-server.js';

/** The real timeouts are minutes; half-open.slow-spec.ts tests them. */
const SPEED_UP = 20;
const QUIET_DEADLINE_MS = 40_000 / SPEED_UP;
const BUSY_DEADLINE_MS = 120_000 / SPEED_UP;

/** The time in which TCP detects lost packets, to which SPEED_UP does not apply. */
const TCP_MS = 1_000;

describeAsRoot('The server', () => {
  let server: WatchedServer;
  beforeEach(async () => {
    server = await WatchedServer.start(SPEED_UP);
  });
  afterEach(() => server[Symbol.asyncDispose]());

  it('ends a quiet capture whose client is cut off', async () => {
    await using machine = await RemoteMachine.create();
    await using client = await machine.client(server.port, 'well');
    await client.saying(/ping/);
    await machine.unplug();
    expect(await server.untilStopped(QUIET_DEADLINE_MS)).toBeLessThan(QUIET_DEADLINE_MS);
  });

  it('ends a busy capture whose client is cut off', async () => {
    server.busy = true;
    await using machine = await RemoteMachine.create();
    await using client = await machine.client(server.port, 'well');
    await delay(500);
    await machine.unplug();
    expect(await server.untilStopped(BUSY_DEADLINE_MS)).toBeLessThan(BUSY_DEADLINE_MS);
    expect(client.alive).toBe(true);
  });

  it('ends a capture whose client had stalled before it is cut off', async () => {
    server.busy = true;
    await using machine = await RemoteMachine.create();
    await using client = await machine.client(server.port, 'stalled');
    await delay(1_000);
    await machine.unplug();
    expect(await server.untilStopped(BUSY_DEADLINE_MS)).toBeLessThan(BUSY_DEADLINE_MS + TCP_MS);
    expect(client.alive).toBe(true);
  });

  it('does not end a capture whose client is cut off only for a short time', async () => {
    server.busy = true;
    await using machine = await RemoteMachine.create();
    await using client = await machine.client(server.port, 'well');
    await delay(200);
    await machine.unplug();
    await delay(1_000);
    await machine.plugIn();
    await delay(BUSY_DEADLINE_MS);
    expect(client.stdout).not.toContain('closed');
    expect(server.stops).toHaveLength(0);
  });

  it('does not end captures of reachable clients that are slow or stopped', async () => {
    await using machine = await RemoteMachine.create();
    const quiet = await Promise.all([
      machine.client(server.port, 'well'),
      machine.client(server.port, 'slow'),
      machine.client(server.port, 'stalled'),
      machine.client(server.port, 'well').then(stopped),
    ]);
    server.busy = true;
    const loaded = await Promise.all([
      machine.client(server.port, 'slow'),
      machine.client(server.port, 'stalled'),
      machine.client(server.port, 'well').then(stopped),
    ]);
    await delay(2 * BUSY_DEADLINE_MS);
    expect(server.stops).toHaveLength(0);
    for (const client of [...quiet, ...loaded]) {
      expect(client.stdout).not.toContain('closed');
      await client[Symbol.asyncDispose]();
    }
  });
});

/** Stops the process, like Ctrl-Z or a debugger; its kernel still acknowledges data. */
function stopped(client: Child): Child {
  client.signal('SIGSTOP');
  return client;
}
