import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listenForAll } from './unix-socket.js';

describe('listenForAll', () => {
  const folder = mkdtempSync(join(tmpdir(), 'packetflix-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('makes a socket to which every user may connect, in place of what is there', async () => {
    const path = join(folder, 'a.sock');
    writeFileSync(path, '');
    const umask = process.umask();
    const server = createServer();
    await listenForAll(server, path);
    expect(statSync(path).mode & 0o777).toBe(0o777);
    expect(process.umask()).toBe(umask);
    server.close();
    await once(server, 'close');
  });

  it('rejects where no socket can be made', async () => {
    await expect(listenForAll(createServer(), join(folder, 'none', 'a.sock'))).rejects.toThrow(
      /ENOENT|EACCES/,
    );
  });
});
