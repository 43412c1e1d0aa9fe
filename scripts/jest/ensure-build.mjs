import { ensureBuild } from '../setup/build.mjs';

/** Before the end-to-end tests: a dist/ that is made from the sources under test. */
export default ensureBuild;
