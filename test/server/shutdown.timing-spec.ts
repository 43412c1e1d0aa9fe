import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Open } from './server-under-test.js';
import { ServerUnderTest, scriptedCapture } from './server-under-test.js';

const BLOCK = Buffer.from('0500000018000000000000000000000000000000' + '18000000', 'hex');

describe('The server, shutting down,', () => {
  let open: Open;
  let server: ServerUnderTest;
  beforeEach(async () => {
    server = await ServerUnderTest.start((request, signal) => open(request, signal));
  });
  afterEach(() => server.close());

  async function closeTimed(): Promise<number> {
    const begin = performance.now();
    await server.close();
    return performance.now() - begin;
  }

  /** A client that reads but answers nothing, not even a close frame. */
  async function muteClient(): Promise<Socket> {
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(
      'GET /capture?netns=5 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    await new Promise((resolve) => socket.once('data', resolve));
    return socket;
  }

  it('closes captures with 1001 after their remaining data', async () => {
    const last = Promise.withResolvers<Buffer>();
    open = () => {
      const over = Promise.withResolvers<{ code: 'stopped'; message: string }>();
      return Promise.resolve({
        chunks: (async function* () {
          yield BLOCK;
          yield await last.promise;
          over.resolve({ code: 'stopped', message: 'stopped' });
        })(),
        end: over.promise,
        stop: () => last.resolve(Buffer.from('the last bytes')),
      });
    };
    const client = server.connect('/capture?netns=5');
    await client.opened;
    expect(await closeTimed()).toBeLessThan(500);
    expect(await client.closed).toEqual({ code: 1001, reason: 'the service is shutting down' });
    expect(client.received.toString('latin1')).toContain('the last bytes');
  });

  it('puts the reason into the stream for clients that do not show close reasons', async () => {
    open = () => Promise.resolve(scriptedCapture([BLOCK]));
    const client = server.connect('/capture', { headers: { 'Clustershark-Container': '{"netns":5}' } });
    await client.opened;
    await delay(50);
    await server.close();
    expect((await client.closed).code).toBe(1001);
    expect(client.received.toString('latin1')).toContain('the service is shutting down');
  });

  it('closes captures that are still being opened with 1001', async () => {
    open = () => new Promise(() => undefined);
    const client = server.connect('/capture?netns=5');
    await client.opened;
    expect(await closeTimed()).toBeLessThan(3000);
    expect((await client.closed).code).toBe(1001);
  });

  it('waits neither for stalled clients nor for captures that do not stop', async () => {
    const piece = Buffer.alloc(64 * 1024);
    function* endless() {
      for (;;) yield piece;
    }
    open = () => Promise.resolve(scriptedCapture(endless()));
    const stalled = server.connect('/capture?netns=5');
    await stalled.opened;
    stalled.socket.pause();
    const mute = await muteClient();
    expect(await closeTimed()).toBeLessThan(3000);
    stalled.socket.terminate();
    mute.destroy();
  });

  it('closes 500 connections within 10 s whose clients do not answer the close frame', async () => {
    open = () => Promise.resolve(scriptedCapture([BLOCK], { code: 'target-ended', message: 'over' }));
    const clients = await Promise.all(Array.from({ length: 500 }, () => muteClient()));
    const begin = performance.now();
    await Promise.all(clients.map((client) => new Promise((resolve) => client.once('close', resolve))));
    expect(performance.now() - begin).toBeLessThan(10_000);
  }, 20_000);
});
