import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineLink } from './engine-link.js';

describe('EngineLink', () => {
  const folder = mkdtempSync(join(tmpdir(), 'engine-link-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each([
    ['nonsense', 'nonsense\n'],
    ['nothing of use', 'null\n'],
    ['more than a line may hold', 'x'.repeat(600_000)],
  ])('hangs up on an engine that says %s, and tries again', async (_, said) => {
    const path = join(folder, 'engine.sock');
    const server = createServer((socket) => socket.on('error', () => undefined).end(said)).listen(path);
    const link = new EngineLink(path);
    try {
      link.connect();
      const [first] = (await once(server, 'connection')) as [Socket];
      const hungUp = new Promise((resolve) => first.resume().once('close', resolve));
      await hungUp;
      await once(server, 'connection');
    } finally {
      link.close();
      server.close();
      await once(server, 'close');
    }
    expect(link.connected).toBe(false);
  });
});
