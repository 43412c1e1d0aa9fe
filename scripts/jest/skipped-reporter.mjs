/** A Jest reporter that lists all skipped tests at the end, so that no test is skipped silently. */
export default class SkippedReporter {
  onRunComplete(_contexts, { testResults }) {
    const skipped = testResults.flatMap((file) =>
      file.testResults
        .filter(({ status }) => status === 'pending' || status === 'todo')
        .map(({ fullName }) => fullName),
    );
    if (skipped.length === 0) return;
    console.error(`\nSKIPPED, ${skipped.length} tests that did NOT run:`);
    for (const title of skipped) console.error(`  - ${title}`);
  }
}
