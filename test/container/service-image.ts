import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerRuntime } from '../kit/container-runtimes.js';
import { CACHE, makeBaseImages, PROJECT } from './base-images.js';

/** As docker/compose.yaml calls it. */
export const SERVICE_IMAGE = 'packetflix';
const FILE_NAME = /^packetflix-[0-9a-f]{64}\.tar$/;
/** What the Dockerfile copies, and itself. */
const INGREDIENTS = [
  ...['.dockerignore', 'LICENSE', 'docker/Dockerfile', 'docker/collect-runtime.sh', 'docker/healthcheck.mjs'],
  ...['package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts', 'src'],
];

/**
 * Builds the image from docker/Dockerfile. It is kept in a file, so that all test files together build it once;
 * another one is built as soon as anything differs that goes into it.
 */
export async function buildServiceImage(docker: ContainerRuntime): Promise<void> {
  const file = join(CACHE, `packetflix-${hashOf(INGREDIENTS)}.tar`);
  if (existsSync(file)) {
    await docker.cli('load', '--input', file);
    return;
  }
  await makeBaseImages(docker);
  await docker.build(PROJECT, '--tag', SERVICE_IMAGE, '--file', join(PROJECT, 'docker/Dockerfile'));
  await docker.cli('save', '--output', `${file}.${process.pid}`, SERVICE_IMAGE);
  for (const outdated of readdirSync(CACHE).filter((name) => FILE_NAME.test(name))) {
    rmSync(join(CACHE, outdated), { force: true });
  }
  renameSync(`${file}.${process.pid}`, file);
}

/** Takes the image from one runtime to another. */
export async function copyServiceImage(from: ContainerRuntime, to: ContainerRuntime): Promise<void> {
  const file = join(CACHE, `copy-${process.pid}.tar`);
  try {
    await from.cli('save', '--output', file, SERVICE_IMAGE);
    await to.cli('load', '--input', file);
  } finally {
    rmSync(file, { force: true });
  }
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
  return names.map((name) => `${path}/${name}`).filter((name) => statSync(join(PROJECT, name)).isFile());
}
