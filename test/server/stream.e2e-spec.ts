import { setTimeout as delay } from 'node:timers/promises';
import type { Capture } from '../../src/server/capture/capture-provider.js';
import type { Open } from './server-under-test.js';
import { ServerUnderTest, scriptedCapture } from './server-under-test.js';

const MEBIBYTE = 1024 * 1024;

/** An interface statistics block without options, as a minimal complete block. */
const BLOCK = Buffer.from('0500000018000000000000000000000000000000' + '18000000', 'hex');

describe('The server, streaming,', () => {
  let server: ServerUnderTest;
  let open: Open;

  beforeEach(async () => {
    server = await ServerUnderTest.start((request, signal) => open(request, signal));
  });
  afterEach(() => server.close());

  it('delivers every byte although the provider reuses its buffer', async () => {
    const memory = Buffer.alloc(64 * 1024);
    function* pieces() {
      for (let round = 0; round < 200; round++) yield memory.fill(round);
    }
    open = () =>
      Promise.resolve(scriptedCapture(pieces(), { code: 'target-ended', message: 'the container ended' }));
    const client = server.connect('/capture?netns=5');
    expect(await client.closed).toEqual({ code: 1000, reason: 'the container ended' });
    const { received } = client;
    expect(received).toHaveLength(200 * memory.length);
    for (let round = 0; round < 200; round++) expect(received[(round + 1) * memory.length - 1]).toBe(round);
  });

  it('requests no more chunks than a stalled client receives', async () => {
    const piece = Buffer.alloc(64 * 1024);
    let pulled = 0;
    function* endless() {
      for (;;) {
        pulled += piece.length;
        yield piece;
      }
    }
    let capture: (Capture & { stops: number }) | undefined;
    open = () => Promise.resolve((capture = scriptedCapture(endless())));
    const client = server.connect('/capture?netns=5');
    await client.opened;
    client.socket.pause();
    await delay(300);
    const whenStalled = pulled;
    await delay(500);
    // The rest is in the socket buffers of the kernel, whose size is limited.
    expect(pulled - whenStalled).toBeLessThanOrEqual(MEBIBYTE);
    expect(pulled).toBeLessThan(64 * MEBIBYTE);

    client.socket.resume();
    await delay(200);
    expect(pulled).toBeGreaterThan(whenStalled);
    client.socket.terminate();
    await client.closed;
    await delay(100);
    expect(capture?.stops).toBeGreaterThan(0);
  });

  it('answers a close frame of the client at once with its code, and stops an idle capture', async () => {
    const capture = scriptedCapture([BLOCK]);
    open = () => Promise.resolve(capture);
    const client = server.connect('/capture?netns=5');
    await client.opened;
    const begin = performance.now();
    client.socket.close(1000, 'ciao');
    expect(await client.closed).toEqual({ code: 1000, reason: 'ciao' });
    expect(performance.now() - begin).toBeLessThan(500);
    await capture.end;
    expect(capture.stops).toBeGreaterThan(0);
  });

  it('stops opening a capture when the client leaves', async () => {
    const aborted = Promise.withResolvers<void>();
    open = (_, signal) =>
      new Promise((__, reject) =>
        signal.addEventListener('abort', () => {
          aborted.resolve();
          reject(signal.reason as Error);
        }),
      );
    const client = server.connect('/capture?netns=5');
    await client.opened;
    client.socket.terminate();
    await aborted.promise;
  });

  it('ignores messages of up to 1 KiB and closes with 1009 on longer ones', async () => {
    open = () => Promise.resolve(scriptedCapture([BLOCK]));
    const client = server.connect('/capture?netns=5');
    await client.opened;
    client.socket.send('{"event":"hello"}');
    client.socket.send(Buffer.alloc(1024));
    client.socket.send('random bytes');
    await delay(100);
    expect(client.socket.readyState).toBe(client.socket.OPEN);
    client.socket.send(Buffer.alloc(1025));
    expect((await client.closed).code).toBe(1009);
  });

  it('closes with 1011 and the reason in the stream if a provider fails', async () => {
    function* broken() {
      yield BLOCK;
      throw new Error('secret');
    }
    open = () => Promise.resolve(scriptedCapture(broken(), { code: 'stopped', message: '' }));
    const client = server.connect('/capture', { headers: { 'Clustershark-Container': '{"netns":5}' } });
    expect(await client.closed).toEqual({ code: 1011, reason: 'internal error' });
    expect(client.received.subarray(0, BLOCK.length)).toEqual(BLOCK);
    expect(client.received.toString('latin1')).toContain('internal error');
  });

  it.each<[string, () => unknown]>([
    ['no capture at all', () => undefined],
    ['a capture without chunks', () => ({})],
    ['invalid chunks', () => ({ chunks: ['text', 5, null], end: Promise.resolve() })],
    [
      'an end that rejects',
      () => ({ chunks: [], end: Promise.reject(new Error('no')), stop: () => undefined }),
    ],
  ])('survives a provider that returns %s', async (_, garbage) => {
    open = () => Promise.resolve(garbage() as never);
    expect((await server.connect('/capture?netns=5').closed).code).toBe(1011);
  });
});
