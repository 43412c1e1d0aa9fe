// npm run check: the checks that CI runs and that must pass before a change is merged. All steps run even if some fail. With
// PACKETFLIX_TEST_REPORT=FOLDER it also writes the names of the failed steps to checks.json in that folder.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startKubernetesBuild } from './setup/kubernetes.mjs';
import { PROJECT } from './setup/project.mjs';

const STEPS = [
  ['eslint', ['node_modules/eslint/bin/eslint.js', '.']],
  ['prettier', ['node_modules/prettier/bin/prettier.cjs', '--check', '.']],
  ['documents', ['scripts/lint/docs.mjs']],
  ['tables of the documents', ['tools/docs.mjs', '--check']],
  ['types', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.test.json']],
  ['types of the page', ['node_modules/typescript/bin/tsc', '-p', 'src/console/tsconfig.json']],
];

// The last tests need it; until then it has the time in which the others wait.
startKubernetesBuild();
const failed = STEPS.filter(([name, args]) => !passes(name, args)).map(([name]) => name);
const testsPassed = passes('tests', ['scripts/test.mjs']);
if (failed.length > 0) console.error(`\nFAILED CHECKS: ${failed.join(', ')}; see above`);
const folder = process.env.PACKETFLIX_TEST_REPORT;
// Tests are counted individually, from the reports of Jest.
if (folder) writeFileSync(join(folder, 'checks.json'), JSON.stringify({ failed }));
process.exitCode = failed.length === 0 && testsPassed ? 0 : 1;

function passes(name, args) {
  console.error(`check: ${name}`);
  return spawnSync(process.execPath, args, { cwd: PROJECT, stdio: 'inherit' }).status === 0;
}
