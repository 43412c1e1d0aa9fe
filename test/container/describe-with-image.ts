import { join } from 'node:path';
import { ContainerRuntime, whyRuntimesCannotRun } from '../kit/container-runtimes.js';
import { missingPrograms, reportSkipped, type RequiredProgram } from '../kit/required-programs.js';
import { describeAsRoot } from '../kit/root.js';
import { PROJECT } from './base-images.js';
import { serviceImageFile } from './service-image.js';

const REQUIRED: readonly RequiredProgram[] = [
  ['docker-compose', 'docker-compose'],
  ['mmdebstrap', 'mmdebstrap'],
];
/** For making the base images and building the image, which takes a minute, and several on a busy machine. */
const BUILD_TIMEOUT_MS = 900_000;
const END_TIMEOUT_MS = 60_000;

const missing = missingPrograms(REQUIRED);
const obstacle = missing.length > 0 ? missing.join('\n  ') : await whyRuntimesCannotRun();
if (obstacle !== undefined) reportSkipped('tests of the container image', [obstacle]);

/** Tests that need the image and container runtimes. Where these cannot run, they are skipped and the reason is reported. */
export const describeWithImage = obstacle === undefined ? describeAsRoot : describe.skip;

/** A container runtime that runs as long as the tests of a describe block. */
export interface RuntimeForTests {
  readonly runtime: ContainerRuntime;
  /** Registers something that is disposed of before the runtime. */
  use<T extends AsyncDisposable>(started: Promise<T>): Promise<T>;
}

/** A Docker daemon with the image, for all tests of a describe block. */
export function dockerWithImage(): RuntimeForTests {
  return runtimeForAllTests(() => ContainerRuntime.docker({ storage: 'best' }));
}

/** Podman with the image, for all tests of a describe block. */
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
  afterAll(() => inUse.disposeAsync(), END_TIMEOUT_MS);
  return {
    get runtime() {
      if (!runtime) throw new Error('the runtime has not been started');
      return runtime;
    },
    use: async (started) => inUse.use(await started),
  };
}
