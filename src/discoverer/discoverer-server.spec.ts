import { request } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DiscovererServer } from './discoverer-server.js';

type Scan = PromiseWithResolvers<Uint8Array>;

describe('DiscovererServer', () => {
  let folder: string;
  let socketPath: string;
  let server: DiscovererServer;
  let scans: Scan[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'finder-'));
    socketPath = join(folder, 'discoverer.sock');
    scans = [];
    server = new DiscovererServer(() => {
      const scan = Promise.withResolvers<Uint8Array>();
      scans.push(scan);
      return scan.promise;
    });
    // What an earlier process has left is in nobody's way.
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
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(scans).toHaveLength(count);
    return scans[count - 1]!;
  }

  const found = (text: string) => new TextEncoder().encode(text);

  it('gives all who ask at the same time the same answer', async () => {
    const answers = Array.from({ length: 20 }, () => ask('/mobyshark'));
    (await scanNumber(1)).resolve(found('{"first":1}'));
    expect(new Set((await Promise.all(answers)).map(({ body }) => body))).toEqual(new Set(['{"first":1}']));
  });

  it('looks around again for who needs something fresh', async () => {
    const first = ask('/mobyshark');
    const scan = await scanNumber(1);
    const fresh = ask('/mobyshark?fresh');
    await new Promise((resolve) => setTimeout(resolve, 20));
    scan.resolve(found('old'));
    expect((await first).body).toBe('old');
    (await scanNumber(2)).resolve(found('new'));
    expect((await fresh).body).toBe('new');
  });

  it('answers with an error when it cannot look around, and tries again the next time', async () => {
    const failing = ask('/mobyshark');
    (await scanNumber(1)).reject(new Error('no /proc'));
    expect(await failing).toEqual({ status: 500, body: '' });
    const next = ask('/mobyshark');
    (await scanNumber(2)).resolve(found('better'));
    expect(await next).toEqual({ status: 200, body: 'better' });
  });

  it.each([
    ['/', 'GET', 404],
    ['/mobyshark?name=web', 'GET', 404],
    ['/mobyshark/', 'GET', 404],
    ['/mobyshark', 'POST', 405],
    ['/mobyshark', 'DELETE', 405],
  ])('does nothing else: %s by %s is refused', async (path, method, status) => {
    expect((await ask(path, method)).status).toBe(status);
    expect(scans).toHaveLength(0);
  });
});
