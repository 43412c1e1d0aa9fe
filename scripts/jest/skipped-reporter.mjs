/** A Jest reporter that names every skipped test at the end: nothing is skipped silently. */
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
