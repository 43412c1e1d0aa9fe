import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { satisfies } from '../setup/node-version.mjs';
import { readProjectJson } from '../setup/project.mjs';

/** Runs before all tests: checks the version of Node.js and makes the folder by which test files share results. */
export default function beforeRun() {
  const range = readProjectJson('package.json').engines.node;
  if (!satisfies(process.version, range)) {
    throw new Error(`the tests run on Node.js ${process.version}, but it must be ${range}: use "npm test"`);
  }
  process.env.PACKETFLIX_TEST_RUN = mkdtempSync(join(tmpdir(), 'packetflix-test-run-'));
}
