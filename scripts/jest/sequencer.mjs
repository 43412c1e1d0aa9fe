import { basename } from 'node:path';
import { createRequire } from 'node:module';

const { default: Sequencer } = createRequire(import.meta.url)('@jest/test-sequencer');

/** The first test file that needs the container image builds it, which takes minutes; the others would wait for it. */
const BUILDS_THE_IMAGE = 'privileges.e2e-spec.ts';
const NEED_THE_IMAGE = /\/test\/container\//;

/** Starts the build of the container image first, and tests that need the image last. */
export default class extends Sequencer {
  sort(tests) {
    const rank = ({ path }) =>
      NEED_THE_IMAGE.test(path) ? (basename(path) === BUILDS_THE_IMAGE ? 0 : 2) : 1;
    return super.sort(tests).sort((one, other) => rank(one) - rank(other));
  }
}
