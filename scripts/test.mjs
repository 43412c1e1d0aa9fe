// npm test: runs the whole suite, or the files that the arguments name; all arguments are passed to Jest. With
// PACKETFLIX_TEST_REPORT=FOLDER it writes Jest's results into that folder, one JSON file for each phase.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startKubernetesBuild } from './setup/kubernetes.mjs';
import { PROJECT } from './setup/project.mjs';

/**
 * End-to-end tests mostly wait, so two files run at a time. What measures time or memory, or needs a machine of its
 * own, such as a browser, is called `*.timing-spec.ts` and runs alone; so does `*.kubernetes-spec.ts`, with a cluster.
 */
const PHASES = [
  { name: 'unit', options: ['--maxWorkers=2'] },
  { name: 'e2e', options: ['--maxWorkers=2'] },
  { name: 'timing', options: ['--runInBand'] },
  { name: 'kubernetes', options: ['--runInBand'] },
];
const PROJECTS = ['--selectProjects', ...PHASES.map(({ name }) => name)];
const JEST = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  join(PROJECT, 'node_modules/jest/bin/jest.js'),
];
/** Stays in place when a phase ends before Jest writes its results. */
const NO_RESULTS = {
  numPassedTests: 0,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  numRuntimeErrorTestSuites: 1,
};

const folder = process.env.PACKETFLIX_TEST_REPORT;
const args = process.argv.slice(2);
// The last phase needs it; until then it has the time in which the others wait.
if (args.length === 0) startKubernetesBuild();
const failed = PHASES.filter((phase) => !passes(phase)).map(({ name }) => name);
const nothingFound =
  args.length > 0 && jest([...PROJECTS, '--listTests', ...args], 'pipe').stdout.trim() === '';
if (nothingFound) console.error(`no test file matches: ${args.join(' ')}`);
if (failed.length > 0) console.error(`\nFAILED: ${failed.join(' and ')} tests, see above`);
process.exitCode = nothingFound || failed.length > 0 ? 1 : 0;

function passes({ name, options }) {
  const file = folder && join(folder, `${name}.json`);
  if (file) writeFileSync(file, JSON.stringify(NO_RESULTS));
  const report = file ? ['--json', `--outputFile=${file}`] : [];
  // Arguments usually name files of one phase only.
  const phase = ['--selectProjects', name, ...options, ...(args.length > 0 ? ['--passWithNoTests'] : [])];
  return jest([...phase, ...report, ...args], 'inherit').status === 0;
}

function jest(options, stdout) {
  const stdio = ['inherit', stdout, 'inherit'];
  return spawnSync(process.execPath, [...JEST, ...options], { cwd: PROJECT, stdio, encoding: 'utf8' });
}
