import { satisfies } from '../setup/node-version.mjs';
import { readProjectJson } from '../setup/project.mjs';

/** Before any test: the right Node.js, which is not a matter of course (see setup/node-version.mjs). */
export default function assertNode() {
  const range = readProjectJson('package.json').engines.node;
  if (satisfies(process.version, range)) return;
  throw new Error(`the tests run on Node.js ${process.version}, but it must be ${range}: use "npm test"`);
}
