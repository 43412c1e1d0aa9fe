import { request } from 'node:http';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DiscovererServer } from './server.js';
import { versioned } from './target-watch.js';

type Scan = PromiseWithResolvers<Uint8Array>;

describe('DiscovererServer', () => {
  let folder: string;
  let socketPath: string;
  let server: DiscovererServer;
  let scans: Scan[];
  let changed: boolean;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'packetflix-'));
    socketPath = join(folder, 'discoverer.sock');
    scans = [];
    changed = false;
    server = new DiscovererServer({
      scan: () => {
        const scan = Promise.withResolvers<Uint8Array>();
        scans.push(scan);
        return scan.promise;
      },
      poll: () => Promise.resolve(changed),
      stopWatching: () => undefined,
    });
    // A file that an earlier process has left must not prevent listening.
    writeFileSync(socketPath, '');
    await server.listen(socketPath);
  });
  afterEach(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  function ask(path: string, method = 'GET'): Promise<{ status?: number; body: string }> {
    return new Promise((resolve, reject) => {
      request({ socketPath, path, method, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () =>
          resolve({ ...(response.statusCode && { status: response.statusCode }), body }),
        );
      })
        .on('error', reject)
        .end();
    });
  }

  async function scanNumber(count: number): Promise<Scan> {
    while (scans.length < count) await new Promise((resolve) => setTimeout(resolve, 5));
    // Connections are served in order: after this answer, the server has all requests that were sent before it.
    await ask('/');
    expect(scans).toHaveLength(count);
    return scans[count - 1]!;
  }

  const document = (text: string) => new TextEncoder().encode(text);

  it('answers concurrent requests with the result of one scan', async () => {
    const answers = Array.from({ length: 20 }, () => ask('/mobyshark'));
    (await scanNumber(1)).resolve(document('{"first":1}'));
    expect(new Set((await Promise.all(answers)).map(({ body }) => body))).toEqual(new Set(['{"first":1}']));
  });

  it('answers who waits for a change when there is one', async () => {
    const first = ask('/mobyshark?after=');
    (await scanNumber(1)).resolve(document('old'));
    expect((await first).body).toBe('old');
    const next = ask(`/mobyshark?after=${versioned(document('old')).version}`);
    await ask('/');
    changed = true;
    (await scanNumber(2)).resolve(document('new'));
    expect((await next).body).toBe('new');
  });

  it('starts another scan for a request that needs a fresh result', async () => {
    const first = ask('/mobyshark');
    const scan = await scanNumber(1);
    const fresh = ask('/mobyshark?fresh');
    await ask('/');
    scan.resolve(document('old'));
    expect((await first).body).toBe('old');
    (await scanNumber(2)).resolve(document('new'));
    expect((await fresh).body).toBe('new');
  });

  it('answers 500 when the scan fails, and scans again for the next request', async () => {
    const failing = ask('/mobyshark');
    (await scanNumber(1)).reject(new Error('no /proc'));
    expect(await failing).toEqual({ status: 500, body: '' });
    const next = ask('/mobyshark');
    (await scanNumber(2)).resolve(document('better'));
    expect(await next).toEqual({ status: 200, body: 'better' });
  });

  it('removes its socket when it has had nothing to scan for a while, and then reports that', async () => {
    const idle = Promise.withResolvers<void>();
    let ended = false;
    server.whenIdle(200, () => {
      ended = true;
      idle.resolve();
    });
    const answer = ask('/mobyshark');
    const scan = await scanNumber(1);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect([ended, existsSync(socketPath)]).toEqual([false, true]); // it is scanning
    scan.resolve(document('done'));
    expect((await answer).body).toBe('done');
    await idle.promise;
    expect(existsSync(socketPath)).toBe(false);
  });

  it.each([
    ['/', 'GET', 404],
    ['/mobyshark?name=web', 'GET', 404],
    ['/mobyshark/', 'GET', 404],
    ['/mobyshark', 'POST', 405],
    ['/mobyshark', 'DELETE', 405],
  ])('refuses everything else: %s with %s', async (path, method, status) => {
    expect((await ask(path, method)).status).toBe(status);
    expect(scans).toHaveLength(0);
  });
});
