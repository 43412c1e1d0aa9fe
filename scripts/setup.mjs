// Installs and builds what `npm start`, `npm test`, `npm run capture`, `npm run bench` and `npm run soak` need:
//
//     node scripts/setup.mjs start|test|capture|bench|soak
//
// It runs with the machine's own Node (20 or newer) in a fresh clone, so it uses only Node's built-in modules.
// All output goes to standard error: `npm run --silent capture -- -w -` writes packets to standard output.
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
