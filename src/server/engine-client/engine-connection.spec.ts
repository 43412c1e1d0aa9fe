import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
});
