// node scripts/test-summary.mjs FOLDER: one line about what really ran, from the reports of scripts/check.mjs.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2];
const totals = { passed: 0, failed: 0, skipped: 0 };
for (const name of readdirSync(folder)) add(name, JSON.parse(readFileSync(join(folder, name), 'utf8')));
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);

function add(name, report) {
  if (name === 'checks.json') {
    totals.failed += report.failed.length;
    return;
  }
  totals.passed += report.numPassedTests;
  // A test file that could not even be loaded counts as one failure: its tests are unknown.
  totals.failed += report.numFailedTests + report.numRuntimeErrorTestSuites;
  totals.skipped += report.numPendingTests + report.numTodoTests;
}
