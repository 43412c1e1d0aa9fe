import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ContainerRuntime } from '../kit/container-runtimes.js';
import { CACHE, makeBaseImages, PROJECT } from './base-images.js';

/** As docker/compose.yaml calls it. */
export const SERVICE_IMAGE = 'packetflix';
const FILE_NAME = /^packetflix-[0-9a-f]{64}\.tar$/;
/** What decides about the content of the image. */
const INGREDIENTS = [
  ...['.dockerignore', 'LICENSE', 'docker/Dockerfile', 'docker/collect-runtime.sh', 'docker/healthcheck.mjs'],
  ...[
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts/build.mjs',
    'scripts/setup',
    'src',
  ],
];

/**
 * The image that docker/Dockerfile describes, as a file that each runtime can load. All test files and all runs share it; it
 * is built anew as soon as anything differs that goes into it.
 */
export async function serviceImageFile(): Promise<string> {
  const file = join(CACHE, `packetflix-${hashOf(INGREDIENTS)}.tar`);
  await oneAtATime(async () => {
    if (!existsSync(file)) await buildInto(file);
  });
  return file;
}

/** Test files run in several processes: the others wait while the first one builds. */
async function oneAtATime(build: () => Promise<void>): Promise<void> {
  const lock = join(process.env['PACKETFLIX_TEST_RUN'] ?? tmpdir(), 'service-image.lock');
  while (!tryLock(lock)) await sleep(500);
  try {
    await build();
  } finally {
    rmdirSync(lock);
  }
}

/** mkdir(2) succeeds for one process only. */
function tryLock(folder: string): boolean {
  try {
    mkdirSync(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function buildInto(file: string): Promise<void> {
  await using docker = await ContainerRuntime.docker({ storage: 'best' });
  await makeBaseImages(docker);
  await docker.build(PROJECT, '--tag', SERVICE_IMAGE, '--file', join(PROJECT, 'docker/Dockerfile'));
  await docker.cli('save', '--output', `${file}.${process.pid}`, SERVICE_IMAGE);
  for (const outdated of readdirSync(CACHE).filter((name) => FILE_NAME.test(name))) {
    rmSync(join(CACHE, outdated), { force: true });
  }
  renameSync(`${file}.${process.pid}`, file);
}

function hashOf(paths: readonly string[]): string {
  const hash = createHash('sha256');
  for (const path of paths.flatMap(filesIn))
    hash.update(`${path}\0`).update(readFileSync(join(PROJECT, path)));
  return hash.digest('hex');
}

function filesIn(path: string): string[] {
  if (!statSync(join(PROJECT, path)).isDirectory()) return [path];
  const names = readdirSync(join(PROJECT, path), { recursive: true, encoding: 'utf8' }).sort();
  return names
    .map((name) => `${path}/${name}`)
    .filter((name) => statSync(join(PROJECT, name)).isFile() && !name.endsWith('.spec.ts'));
}
