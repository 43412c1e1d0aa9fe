import { chmodSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from '../kit/child.js';
import { describeAsRoot } from '../kit/root.js';
import { writeFile } from 'node:fs/promises';

const PROJECT = new URL('../../', import.meta.url).pathname;
const SETUP = `${PROJECT}scripts/setup.mjs`;

describe('scripts/setup.mjs', () => {
  it.each(['start', 'test', 'capture'])('does and prints nothing the second time: %s', async (purpose) => {
    const child = await Child.start(process.execPath, [SETUP, purpose]);
    expect(await child.ended).toBe(0);
    expect(child.stdout + child.stderr).toBe('');
  });

  it('refuses an unknown purpose', async () => {
    const child = await Child.start(process.execPath, [SETUP, 'party']);
    expect(await child.ended).toBe(2);
    expect(child.stderr).toContain('start|test|capture');
  });
});

describeAsRoot('scripts/setup.mjs without root', () => {
  it('prints the command that installs the missing packages and exits', async () => {
    // A search path with apt-get but without the programs that tests need; accessible to all users.
    const folder = mkdtempSync('/tmp/packetflix-test-path-');
    try {
      chmodSync(folder, 0o755);
      symlinkSync('/usr/bin/apt-get', join(folder, 'apt-get'));
      const unprivileged = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--'];
      const script = `PATH="${folder}"; export PATH; exec "$0" "$@"`;
      const command = ['/bin/sh', '-c', script, process.execPath, SETUP, 'test'];
      const child = await Child.start('setpriv', [...unprivileged, ...command]);
      expect(await child.ended).toBe(1);
      expect(child.stderr).toMatch(
        /missing on this machine: .*tshark[^]*sudo apt-get update && sudo apt-get install -y --no-install-recommends .*tshark/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('scripts/test-summary.mjs', () => {
  async function summaryOf(reports: Readonly<Record<string, object>>): Promise<string> {
    const folder = mkdtempSync('/tmp/packetflix-test-reports-');
    try {
      for (const [name, report] of Object.entries(reports)) {
        await writeFile(join(folder, name), JSON.stringify(report));
      }
      const child = await Child.start(process.execPath, [`${PROJECT}scripts/test-summary.mjs`, folder]);
      return await child.succeeded();
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  it('adds up the phases and counts files that did not load and failed checks as failures', async () => {
    const unit = { numPassedTests: 5, numFailedTests: 1, numPendingTests: 2, numTodoTests: 1 };
    const e2e = { numPassedTests: 3, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
    const reports = {
      'unit.json': { ...unit, numRuntimeErrorTestSuites: 1 },
      'e2e.json': { ...e2e, numRuntimeErrorTestSuites: 0 },
      'timing.json': { ...e2e, numRuntimeErrorTestSuites: 0 },
      'kubernetes.json': { ...e2e, numRuntimeErrorTestSuites: 0 },
      'checks.json': { failed: ['eslint'] },
    };
    expect(await summaryOf(reports)).toBe('14 passed, 3 failed, 3 skipped\n');
  });

  it('counts each missing report as a failure', async () => {
    expect(await summaryOf({})).toBe('0 passed, 5 failed, 0 skipped\n');
  });
});
