// node scripts/test-summary.mjs REPORT: prints one line about what ran, from Jest's JSON report.
import { readFileSync } from 'node:fs';

console.log(summarize(readReport(process.argv[2])));

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    // No report: the run ended before the first test.
    return {
      numPassedTests: 0,
      numFailedTests: 0,
      numPendingTests: 0,
      numTodoTests: 0,
      numRuntimeErrorTestSuites: 0,
    };
  }
}

function summarize(report) {
  // A test file that could not even be loaded counts as one failure: its tests are unknown.
  const failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
  const skipped = report.numPendingTests + report.numTodoTests;
  return `${report.numPassedTests} passed, ${failed} failed, ${skipped} skipped`;
}
