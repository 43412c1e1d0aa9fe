import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../kit/run.js';
import { removeFolder } from '../kit/teardown.js';

export const BUSYBOX_IMAGE = 'packetflix.test/busybox:1';
const BUSYBOXES = ['/bin/busybox', '/usr/bin/busybox'];

/**
 * Writes an image that has busybox only, in the format of `docker save`. What it runs by default only waits: that is all that
 * the sandbox container of a pod has to do.
 *
 * @see https://github.com/moby/docker-image-spec
 */
export async function writeBusyboxImage(file: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'pf-busybox-'));
  try {
    const root = join(folder, 'root');
    for (const name of ['bin', 'tmp', 'etc', 'proc', 'sys', 'dev'])
      mkdirSync(join(root, name), { recursive: true });
    const busybox = BUSYBOXES.find((path) => existsSync(path)) ?? '';
    cpSync(busybox, join(root, 'bin/busybox'), { dereference: true });
    await run(
      'tar',
      '--create',
      '--owner=0',
      '--group=0',
      '--directory',
      root,
      '--file',
      join(folder, 'layer.tar'),
      '.',
    );
    const digest = createHash('sha256')
      .update(readFileSync(join(folder, 'layer.tar')))
      .digest('hex');
    const config = {
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config: { Entrypoint: ['/bin/busybox', 'sleep', '2147483647'], Env: ['PATH=/bin'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
    };
    const manifest = [{ Config: 'config.json', RepoTags: [BUSYBOX_IMAGE], Layers: ['layer.tar'] }];
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
    const parts = ['manifest.json', 'config.json', 'layer.tar'];
    await run('tar', '--create', '--directory', folder, '--file', file, ...parts);
  } finally {
    await removeFolder(folder);
  }
}
