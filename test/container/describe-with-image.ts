import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ContainerRuntime, whyRuntimesCannotRun } from '../kit/container-runtimes.js';
import { describeAsRoot } from '../kit/root.js';
import { PROJECT } from './base-images.js';
import { serviceImageFile } from './service-image.js';

const REQUIRED: readonly (readonly [program: string, debianPackage: string])[] = [
  ['docker-compose', 'docker-compose'],
  ['mmdebstrap', 'mmdebstrap'],
];
/** To make a Debian and to build the image: it takes a minute, and several on a busy machine. */
const BUILD_TIMEOUT_MS = 900_000;
const END_TIMEOUT_MS = 60_000;

const obstacle = process.getuid?.() === 0 ? await whyItCannotRun() : 'only root may start container runtimes';
if (obstacle !== undefined) process.stderr.write(`SKIPPED: tests of the container image\n  ${obstacle}\n`);

/** Tests that need container engines, and what makes images; skipped where these cannot run, with the reason. */
export const describeWithImage = obstacle === undefined ? describeAsRoot : describe.skip;

async function whyItCannotRun(): Promise<string | undefined> {
  const lacking = REQUIRED.filter(([program]) => spawnSync('which', [program]).status !== 0);
  if (lacking.length === 0) return await whyRuntimesCannotRun();
  return lacking.map(([program, name]) => `there is no ${program} (Debian package ${name})`).join('\n  ');
}

/** A container runtime, as long as the tests of a describe block run. */
export interface RuntimeForTests {
  readonly runtime: ContainerRuntime;
  /** Starts something that has to end before the runtime does. */
  use<T extends AsyncDisposable>(started: Promise<T>): Promise<T>;
}

/** A Docker daemon that has the image, for all tests of a describe block. */
export function dockerWithImage(): RuntimeForTests {
  return runtimeForAllTests(() => ContainerRuntime.docker({ storage: 'best' }));
}

/** Podman with the same image. */
export function podmanWithImage(): RuntimeForTests {
  const seccompProfile = join(PROJECT, 'docker/seccomp.json');
  return runtimeForAllTests(() => ContainerRuntime.podman({ storage: 'best', seccompProfile }));
}

function runtimeForAllTests(start: () => Promise<ContainerRuntime>): RuntimeForTests {
  const inUse = new AsyncDisposableStack();
  let runtime: ContainerRuntime | undefined;
  beforeAll(async () => {
    const file = await serviceImageFile();
    runtime = inUse.use(await start());
    await runtime.cli('load', '--input', file);
  }, BUILD_TIMEOUT_MS);
  // In the opposite order.
  afterAll(() => inUse.disposeAsync(), END_TIMEOUT_MS);
  return {
    get runtime() {
      if (!runtime) throw new Error('the runtime has not been started');
      return runtime;
    },
    use: async (started) => inUse.use(await started),
  };
}
