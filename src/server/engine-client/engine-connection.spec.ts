import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../../../test/kit/eventually.js';
import type { CaptureSpec } from '../../shared/protocol/capture-spec.js';
import { EngineConnection } from './engine-connection.js';

describe('EngineConnection', () => {
  const folder = mkdtempSync(join(tmpdir(), 'engine-connection-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    ['a line that is not JSON', 'nonsense\n'],
    ['null', 'null\n'],
    ['a line that is too long', 'x'.repeat(600_000)],
  ])('closes the connection when the engine sends %s, and reconnects', async (_, text) => {
    const path = join(folder, 'engine.sock');
    const server = createServer((socket) => socket.on('error', () => undefined).end(text)).listen(path);
    const engine = new EngineConnection(path);
    try {
      engine.connect();
      const [first] = (await once(server, 'connection')) as [Socket];
      const closed = new Promise((resolve) => first.resume().once('close', resolve));
      await closed;
      await once(server, 'connection');
    } finally {
      engine.close();
      server.close();
      await once(server, 'close');
    }
    expect(engine.connected).toBe(false);
  });

  it('does not wait for an engine when nobody waits any more', async () => {
    const engine = new EngineConnection(join(folder, 'nothing.sock'));
    await expect(engine.whenConnected(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    const abort = new AbortController();
    const connected = engine.whenConnected(abort.signal);
    abort.abort(new Error('gone as well'));
    await expect(connected).rejects.toThrow('gone as well');
  }, 5_000);

  it('asks for an engine that rests, lets it end when it is idle, and does not count that as a loss', async () => {
    const path = join(folder, 'resting.sock');
    const requests: string[] = [];
    let needed = false;
    const engine = new EngineConnection(path, undefined, {
      requestStart: (socketPath) => requests.push(socketPath),
      mayRest: () => !needed,
    });
    const sockets: Socket[] = [];
    const server = createServer((socket) => void sockets.push(socket.resume()));
    let control: Socket | undefined;
    const report = (event: object): unknown => control?.write(`${JSON.stringify(event)}\n`);
    const connected = async (): Promise<void> => {
      [control] = (await once(server, 'connection')) as [Socket];
      report({ type: 'hello', connection: 'c', problems: [] });
      await engine.whenConnected(AbortSignal.timeout(5_000));
    };
    try {
      expect(engine.resting).toBe(true);
      engine.connect();
      await eventually('requests', () => requests.length > 1);
      expect(requests[0]).toBe(path);
      server.listen(path);
      await connected();

      const spec = { captureId: 'calm-blue-owl', interfaces: [] } as unknown as CaptureSpec;
      const capture = engine.start(spec, new AbortController().signal);
      report({ type: 'idle' }); // sent before the engine knew of the capture
      report({ type: 'refused', captureId: 'calm-blue-owl', code: 'stale-reference', message: 'gone' });
      await expect(capture).rejects.toMatchObject({ code: 'stale-reference' });
      expect([engine.connected, engine.resting]).toEqual([true, false]);

      needed = true;
      report({ type: 'idle' });
      report({ type: 'hello', connection: 'd', problems: [{ part: 'libpcap', message: 'read' }] });
      await eventually('that both have been read', () => engine.problems?.length === 1);
      expect([engine.connected, engine.resting]).toEqual([true, false]);

      needed = false;
      report({ type: 'idle' });
      await eventually('the end of the connection', () => control?.closed === true);
      expect([engine.connected, engine.resting]).toEqual([false, true]);
      engine.connect();
      await connected();
      expect(engine.restarts).toBe(0);
    } finally {
      engine.close();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    }
  });

  it('refuses a capture id that is invalid or in use, which the engine could not answer', async () => {
    const path = join(folder, 'engine.sock');
    const sockets: Socket[] = [];
    const server = createServer((socket) => void sockets.push(socket.resume())).listen(path);
    const engine = new EngineConnection(path);
    const report = (event: object): unknown => sockets[0]?.write(`${JSON.stringify(event)}\n`);
    const start = (captureId: string) =>
      engine.start({ captureId, interfaces: [] } as unknown as CaptureSpec, new AbortController().signal);
    try {
      engine.connect();
      await once(server, 'connection');
      report({ type: 'hello', connection: 'c', problems: [] });
      await engine.whenConnected(AbortSignal.timeout(5_000));
      await expect(start('A 1')).rejects.toMatchObject({ code: 'invalid-request' });
      const first = start('calm-blue-owl');
      await expect(start('calm-blue-owl')).rejects.toMatchObject({ code: 'invalid-request' });
      report({ type: 'refused', captureId: 'calm-blue-owl', code: 'stale-reference', message: 'gone' });
      await expect(first).rejects.toMatchObject({ code: 'stale-reference' });
      const second = start('calm-blue-owl');
      report({ type: 'refused', captureId: 'calm-blue-owl', code: 'not-permitted', message: 'denied' });
      await expect(second).rejects.toMatchObject({ code: 'not-permitted' });
    } finally {
      engine.close();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    }
  });
});
