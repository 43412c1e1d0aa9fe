import { existsSync, mkdirSync, readlinkSync, renameSync, rmSync, statSync } from 'node:fs';
import { cpSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Child } from '../kit/child.js';
import type { ContainerRuntime } from '../kit/container-runtimes.js';

export const PROJECT = resolve(import.meta.dirname, '../..');
/** What takes long to make is kept here between runs; it may be removed at any time. */
export const CACHE = join(PROJECT, '.setup/container');

const DEBIAN = join(CACHE, 'debian-bookworm.tar');
const DEBIAN_IMAGE = 'debian:bookworm-slim';
const NODE_IMAGE = 'node:24-bookworm-slim';
/** Where Debian keeps the certificates of those who sign certificates. */
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/**
 * Makes the images that the Dockerfile begins with, under their names: Debian's own tool makes the one, and the
 * project's Node and the machine's npm make the other of it. So no registry of images is needed. The second one,
 * and only that, trusts whom this machine trusts.
 */
export async function makeBaseImages(runtime: ContainerRuntime): Promise<void> {
  await makeDebian();
  await runtime.cli('import', DEBIAN, DEBIAN_IMAGE);
  const folder = join(CACHE, `node-${process.pid}`);
  try {
    fillNodeFolder(folder);
    await runtime.build(folder, '--tag', NODE_IMAGE);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function makeDebian(): Promise<void> {
  if (existsSync(DEBIAN)) return;
  mkdirSync(CACHE, { recursive: true });
  // Aside first: a run that is killed must leave no half.
  const fresh = `${DEBIAN}.${process.pid}.tar`;
  try {
    const options = ['--variant=minbase', '--include=ca-certificates', 'bookworm', fresh];
    await using tool = await Child.start('mmdebstrap', options);
    await tool.succeeded();
    renameSync(fresh, DEBIAN);
  } finally {
    rmSync(fresh, { force: true });
  }
}

function fillNodeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true });
  cpSync(process.execPath, join(folder, 'node'));
  cpSync(npmFolder(), join(folder, 'npm'), { recursive: true });
  cpSync(process.env['NODE_EXTRA_CA_CERTS'] ?? CERTIFICATES, join(folder, 'certificates.crt'));
  writeFileSync(join(folder, 'LICENSE'), 'That of Node.js stands here.\n');
  writeFileSync(
    join(folder, 'Dockerfile'),
    `FROM ${DEBIAN_IMAGE}
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
COPY LICENSE /usr/local/LICENSE
COPY certificates.crt ${CERTIFICATES}
ENV NODE_EXTRA_CA_CERTS=${CERTIFICATES}
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
`,
  );
}

/** npm is no dependency of this project: it comes with the machine's Node. */
function npmFolder(): string {
  const folders = (process.env['PATH'] ?? '').split(':');
  const program = folders.map((folder) => join(folder, 'npm')).find((path) => isLink(path));
  if (program === undefined) throw new Error('there is no npm on this machine');
  return resolve(program, '..', readlinkSync(program), '../..');
}

function isLink(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined && linkOf(path) !== undefined;
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
