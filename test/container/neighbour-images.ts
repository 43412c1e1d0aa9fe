import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ContainerRuntime } from '../kit/container-runtimes.js';
import { run } from '../kit/run.js';

export const CADDY_IMAGE = 'caddy:test';
export const GHOSTWIRE_IMAGE = 'ghostwire:test';

/**
 * The image of Caddy, made of this machine's program since there is no registry: as in the official one, the program
 * has a capability of its own, and keeps what it writes in /data and /config.
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

/** A web server with GhostWire's name for its program, which knows of the given containers. */
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

/** @param fill gives further lines of the Dockerfile */
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
