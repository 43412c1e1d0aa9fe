import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cpuTimeMs } from '../../../test/kit/cpu-time.js';
import { describeTargetDirectory } from '../../../test/contracts/target-directory.contract.js';
import { GhostwireServer, mobyshark } from '../../../test/fixtures/ghostwire-server.js';
import type { DirectoryEntry } from './target-directory.js';
import { DiscovererTargetDirectory } from './discoverer-target-directory.js';

const START_TIMEOUT_MS = 200;

function toTarget({ startTime, interfaces, ...rest }: DirectoryEntry): object {
  return { ...rest, starttime: startTime, 'network-interfaces': interfaces };
}

describeTargetDirectory('DiscovererTargetDirectory', async (entries) => {
  const folder = mkdtempSync(join(tmpdir(), 'packetflix-'));
  const socketPath = join(folder, 'discoverer.sock');
  const server = await new GhostwireServer(mobyshark(entries.map(toTarget))).listen(socketPath);
  return {
    directory: new DiscovererTargetDirectory({ socketPath }),
    dispose: async () => {
      await server.close();
      rmSync(folder, { recursive: true });
    },
  };
});

describe('DiscovererTargetDirectory', () => {
  let folder: string;
  let socketPath: string;
  let server: GhostwireServer | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'packetflix-'));
    socketPath = join(folder, 'discoverer.sock');
  });
  afterEach(async () => {
    await server?.close();
    server = undefined;
    rmSync(folder, { recursive: true });
  });

  it('waits for a discoverer that is starting', async () => {
    const found = new DiscovererTargetDirectory({ socketPath }).list();
    await new Promise((resolve) => setTimeout(resolve, 100));
    server = await new GhostwireServer(mobyshark([])).listen(socketPath);
    expect(await found).toEqual([]);
  });

  it('asks for the start of a discoverer that rests until it listens, and not when it does', async () => {
    const requests: string[] = [];
    const directory = new DiscovererTargetDirectory({
      socketPath,
      requestStart: (path) => requests.push(path),
    });
    const found = directory.list();
    while (requests.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    server = await new GhostwireServer(mobyshark([])).listen(socketPath);
    expect(await found).toEqual([]);
    expect(new Set(requests)).toEqual(new Set([socketPath]));
    const count = requests.length;
    await directory.list();
    expect(requests).toHaveLength(count);
  });

  it('gives up when the discoverer does not start', async () => {
    await expect(
      new DiscovererTargetDirectory({ socketPath }, START_TIMEOUT_MS).list(),
    ).rejects.toMatchObject({
      name: 'TargetDirectoryError',
      reason: 'unreachable',
      message: `the discoverer cannot be reached (ENOENT): ${socketPath}`,
    });
  });

  it('stops waiting when the caller aborts', async () => {
    const reason = new Error('gone');
    const abort = new AbortController();
    const found = new DiscovererTargetDirectory({ socketPath }).list(abort.signal);
    abort.abort(reason);
    await expect(found).rejects.toBe(reason);
  });

  it('reports that the discoverer could not scan the host', async () => {
    server = await new GhostwireServer((_, response) => response.writeHead(500).end()).listen(socketPath);
    await expect(new DiscovererTargetDirectory({ socketPath }).list()).rejects.toMatchObject({
      reason: 'failed',
      message: 'the discoverer answered with HTTP status 500',
    });
  });

  it('finds one of 10,000 targets within a second of processor time', async () => {
    const targets = Array.from({ length: 10_000 }, (_, i) =>
      toTarget({
        name: `контейнер-${i}`,
        prefix: '',
        type: 'docker',
        netns: i + 1,
        pid: i + 1,
        startTime: 1,
        interfaces: ['lo', 'eth0'],
      }),
    );
    server = await new GhostwireServer(mobyshark(targets)).listen(socketPath);
    const begin = cpuTimeMs();
    const found = await new DiscovererTargetDirectory({ socketPath }).find('контейнер-9999', '');
    expect(cpuTimeMs() - begin).toBeLessThan(1_000);
    expect(found).toMatchObject([{ netns: 10_000 }]);
  });
});
