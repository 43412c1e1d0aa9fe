import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ContainerRuntime } from '../kit/container-runtimes.js';
import { run } from '../kit/run.js';

export const CADDY_IMAGE = 'caddy:test';
export const GHOSTWIRE_IMAGE = 'ghostwire:test';

/**
 * Makes the image of Caddy from the program of this machine, because tests use no registry. As in the official image,
 * the program has a file capability and stores its data in /data and /config.
 */
export async function makeCaddyImage(runtime: ContainerRuntime): Promise<void> {
  const [program = ''] = (await run('which', 'caddy')).split('\n');
  const libraries = (await run('ldd', program)).match(/\/\S+/g) ?? [];
  await makeImage(runtime, CADDY_IMAGE, async (folder) => {
    for (const path of libraries) copy(path, join(folder, path));
    const copied = copy(program, join(folder, 'usr/bin/caddy'));
    await run('setcap', 'cap_net_bind_service=+ep', copied);
    for (const name of ['data', 'config', 'tmp', 'etc/caddy', 'tls']) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    return 'ENV PATH=/usr/bin:/bin XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data\n';
  });
}

/** Makes an image with a web server that answers like GhostWire and lists the given containers. */
export async function makeGhostwireImage(
  runtime: ContainerRuntime,
  containers: readonly object[],
): Promise<void> {
  await makeImage(runtime, GHOSTWIRE_IMAGE, (folder) => {
    const program = join(folder, 'gostwire');
    writeFileSync(program, '#!/bin/sh\nexec /bin/busybox httpd -f -p 5000 -h /www\n');
    chmodSync(program, 0o755);
    mkdirSync(join(folder, 'www'));
    writeFileSync(join(folder, 'www/index.html'), '<title>GhostWire</title>');
    writeFileSync(join(folder, 'www/mobyshark'), JSON.stringify({ metadata: {}, containers }));
    return Promise.resolve('');
  });
}

/** @param fill fills the root folder of the image and returns further lines of the Dockerfile */
async function makeImage(
  runtime: ContainerRuntime,
  name: string,
  fill: (folder: string) => Promise<string>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'pf-image-'));
  try {
    const root = join(folder, 'root');
    copy('/bin/busybox', join(root, 'bin/busybox'));
    copy('/bin/busybox', join(root, 'bin/sh'));
    const lines = await fill(root);
    writeFileSync(join(folder, 'Dockerfile'), `FROM scratch\nCOPY root /\n${lines}`);
    await runtime.build(folder, '--tag', name);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function copy(from: string, to: string): string {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  return to;
}
