// node scripts/test-summary.mjs FOLDER: prints the number of passed, failed and skipped tests from the reports of
// scripts/check.mjs in one line.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Written by scripts/check.mjs and, for each phase, by scripts/test.mjs. */
const REPORTS = ['checks.json', 'unit.json', 'e2e.json', 'timing.json', 'kubernetes.json'];

const folder = process.argv[2];
const totals = { passed: 0, failed: 0, skipped: 0 };
for (const name of REPORTS) add(read(name));
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);

/** A missing or incomplete report counts as one failure, because that step did not run to its end. */
function read(name) {
  try {
    return JSON.parse(readFileSync(join(folder, name), 'utf8'));
  } catch (error) {
    console.error(`no report: ${error.message}`);
    return { failed: [name] };
  }
}

function add({ failed = [], ...phase }) {
  totals.failed += failed.length;
  if (phase.numPassedTests === undefined) return;
  totals.passed += phase.numPassedTests;
  // A test file that could not be loaded counts as one failure, because its tests are unknown.
  totals.failed += phase.numFailedTests + phase.numRuntimeErrorTestSuites;
  totals.skipped += phase.numPendingTests + phase.numTodoTests;
}
