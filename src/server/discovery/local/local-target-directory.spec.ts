import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { describeTargetDirectory } from '../../../../test/contracts/target-directory.contract.js';
import { toDocument } from '../../../discoverer/document.js';
import { DiscovererServer } from '../../../discoverer/discoverer-server.js';
import type { Target } from '../../../discoverer/target.js';
import type { DirectoryEntry } from '../target-directory.js';
import { LocalTargetDirectory } from './local-target-directory.js';

const PATIENCE_MS = 200;

function toTarget({ startTime, interfaces, ...rest }: DirectoryEntry): Target {
  return { ...rest, starttime: startTime, 'network-interfaces': interfaces };
}

function serve(targets: readonly Target[]): DiscovererServer {
  return new DiscovererServer(() => Promise.resolve(toDocument({ targets, problems: [] })));
}

describeTargetDirectory('LocalTargetDirectory', async (entries) => {
  const folder = mkdtempSync(join(tmpdir(), 'local-'));
  const socketPath = join(folder, 'discoverer.sock');
  const server = serve(entries.map(toTarget));
  await server.listen(socketPath);
  return {
    directory: new LocalTargetDirectory(socketPath),
    dispose: () => {
      server.close();
      rmSync(folder, { recursive: true });
    },
  };
});

describe('LocalTargetDirectory', () => {
  let folder: string;
  let socketPath: string;
  let server: DiscovererServer | undefined;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'local-'));
    socketPath = join(folder, 'discoverer.sock');
  });
  afterEach(() => {
    server?.close();
    server = undefined;
    rmSync(folder, { recursive: true });
  });

  it('waits for a discoverer that is only just starting', async () => {
    const found = new LocalTargetDirectory(socketPath).list();
    await new Promise((resolve) => setTimeout(resolve, 100));
    server = serve([]);
    await server.listen(socketPath);
    expect(await found).toEqual([]);
  });

  it('does not wait for ever', async () => {
    await expect(new LocalTargetDirectory(socketPath, PATIENCE_MS).list()).rejects.toMatchObject({
      name: 'TargetDirectoryError',
      reason: 'unreachable',
      message: `the built-in directory cannot be reached (ENOENT): ${socketPath}`,
    });
  });

  it('waits no longer than its asker', async () => {
    const reason = new Error('gone');
    const abort = new AbortController();
    const found = new LocalTargetDirectory(socketPath).list(abort.signal);
    abort.abort(reason);
    await expect(found).rejects.toBe(reason);
  });

  it('tells that the discoverer could not look around', async () => {
    server = new DiscovererServer(() => Promise.reject(new Error('no /proc')));
    await server.listen(socketPath);
    await expect(new LocalTargetDirectory(socketPath).list()).rejects.toMatchObject({
      reason: 'failed',
      message: 'the built-in directory answered with HTTP status 500',
    });
  });

  it('finds one of 10,000', async () => {
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
    server = serve(targets);
    await server.listen(socketPath);
    const begin = performance.now();
    const found = await new LocalTargetDirectory(socketPath).find('контейнер-9999', '');
    expect(performance.now() - begin).toBeLessThan(1_000);
    expect(found).toMatchObject([{ netns: 10_000 }]);
  });
});
