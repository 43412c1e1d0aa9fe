import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ContainerEngine, whyEnginesCannotRun } from '../kit/container-engines.js';
import { describeAsRoot } from '../kit/root.js';
import { PROJECT } from './base-images.js';
import { buildServiceImage, copyServiceImage } from './service-image.js';

const REQUIRED: readonly (readonly [program: string, debianPackage: string])[] = [
  ['docker-compose', 'docker-compose'],
  ['mmdebstrap', 'mmdebstrap'],
];
/** To make a Debian and to build the image: it takes a minute, and several on a busy machine. */
const BUILD_TIMEOUT_MS = 900_000;
const END_TIMEOUT_MS = 60_000;

const obstacle = process.getuid?.() === 0 ? await whyItCannotRun() : 'only root may start engines';
if (obstacle !== undefined) console.warn(`SKIPPED: tests of the container image\n  ${obstacle}`);

/** Tests that need container engines, and what makes images; skipped where these cannot run, with the reason. */
export const describeWithImage = obstacle === undefined ? describeAsRoot : describe.skip;

async function whyItCannotRun(): Promise<string | undefined> {
  const lacking = REQUIRED.filter(([program]) => spawnSync('which', [program]).status !== 0);
  if (lacking.length === 0) return await whyEnginesCannotRun();
  return lacking.map(([program, name]) => `there is no ${program} (Debian package ${name})`).join('\n  ');
}

/** An engine, as long as the tests of a describe block run. */
export interface EngineForTests {
  readonly engine: ContainerEngine;
  /** Starts something that has to end before the engine does. */
  use<T extends AsyncDisposable>(started: Promise<T>): Promise<T>;
}

/** A Docker engine that has built the image, for all tests of a describe block. */
export function dockerWithImage(): EngineForTests {
  return engineForAllTests(async () => {
    const docker = await ContainerEngine.docker({ storage: 'best' });
    return await withImage(docker, () => buildServiceImage(docker));
  });
}

/** Podman with the image that Docker has built. */
export function podmanWithImage(): EngineForTests {
  return engineForAllTests(async () => {
    await using docker = await ContainerEngine.docker({ storage: 'best' });
    await buildServiceImage(docker);
    const podman = await ContainerEngine.podman({
      storage: 'best',
      seccompProfile: join(PROJECT, 'docker/seccomp.json'),
    });
    return await withImage(podman, () => copyServiceImage(docker, podman));
  });
}

async function withImage(engine: ContainerEngine, bringImage: () => Promise<void>): Promise<ContainerEngine> {
  try {
    await bringImage();
    return engine;
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

function engineForAllTests(start: () => Promise<ContainerEngine>): EngineForTests {
  const inUse = new AsyncDisposableStack();
  let engine: ContainerEngine | undefined;
  beforeAll(async () => {
    engine = inUse.use(await start());
  }, BUILD_TIMEOUT_MS);
  // In the opposite order.
  afterAll(() => inUse.disposeAsync(), END_TIMEOUT_MS);
  return {
    get engine() {
      if (!engine) throw new Error('the engine has not been started');
      return engine;
    },
    use: async (started) => inUse.use(await started),
  };
}
