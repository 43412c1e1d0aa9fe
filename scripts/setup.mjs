// Sees to what is missing before `npm start`, `npm test`, `npm run capture`, `npm run bench` or `npm run soak` can run:
//
//     node scripts/setup.mjs start|test|capture|bench|soak
//
// Runs on the machine's own Node (20 or newer) from a fresh clone, so it uses nothing but Node's built-ins.
// All its output goes to standard error: `npm run --silent capture -- -w -` writes packets to standard output.
import { ensureBuild } from './setup/build.mjs';
import { ensureDependencies } from './setup/dependencies.mjs';
import { ensureMachineNode, ensureProjectNode } from './setup/node-version.mjs';
import { SetupError } from './setup/setup-error.mjs';
import { ensureSystemPackages } from './setup/system-packages.mjs';

const purpose = process.argv[2];
if (!['start', 'test', 'capture', 'bench', 'soak'].includes(purpose)) {
  console.error('usage: node scripts/setup.mjs start|test|capture|bench|soak');
  process.exit(2);
}

try {
  ensureMachineNode();
  ensureSystemPackages(purpose);
  ensureDependencies();
  ensureProjectNode();
  ensureBuild();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`\nsetup: ${error.message}`);
  process.exit(1);
}
