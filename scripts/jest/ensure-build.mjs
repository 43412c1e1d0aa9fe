import { ensureBuild } from '../setup/build.mjs';

/** Runs before the end-to-end tests and makes dist/ from the sources under test. */
export default ensureBuild;
