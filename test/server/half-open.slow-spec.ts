import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { describeAsRoot } from '../kit/root.js';
import { RemoteMachine } from './remote-client.js';
import { WatchedServer } from './watched-server.js';

const MINUTE_MS = 60_000;

describeAsRoot('The server, with its real timeouts,', () => {
  jest.setTimeout(10 * MINUTE_MS);

  it('ends a quiet capture within 40 s after its client is cut off', async () => {
    await using server = await WatchedServer.start();
    await using machine = await RemoteMachine.create();
    await using client = await machine.client(server.port, 'well');
    // The detection takes longest directly after the answer to a ping.
    await client.saying(/ping/, 30_000);
    await machine.unplug();
    expect(await server.untilStopped(40_000)).toBeLessThan(40_000);
  });

  it('ends a busy capture within 2 minutes after its client is cut off', async () => {
    await using server = await WatchedServer.start();
    server.busy = true;
    await using machine = await RemoteMachine.create();
    await using client = await machine.client(server.port, 'well');
    await delay(30_000);
    await machine.unplug();
    expect(await server.untilStopped(2 * MINUTE_MS)).toBeLessThan(2 * MINUTE_MS);
    expect(client.alive).toBe(true);
  });

  it('does not end captures of clients that read 64 KiB per second or have stalled', async () => {
    await using server = await WatchedServer.start();
    server.busy = true;
    await using machine = await RemoteMachine.create();
    await using slow = await machine.client(server.port, 'slow');
    await using stalled = await machine.client(server.port, 'stalled');
    await delay(6 * MINUTE_MS);
    expect(server.stops).toHaveLength(0);
    expect(slow.stdout + stalled.stdout).not.toContain('closed');
  });
});
