import { listTargets } from '../discovery/listed-targets.js';
import { Child } from '../kit/child.js';
import { processTree } from '../kit/processes.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';

const PROGRAM = new URL('../kit/programs/long-command-line.ts', import.meta.url).pathname;
const MAX_RESIDENT_KIB = 256 * 1024;

describeAsRoot('Processes with huge command lines', () => {
  const service = serviceForAllTests(['--local-discovery']);

  it.each([128, 3072])('of %d MiB do not harm the discoverer', async (mebibytes) => {
    await using child = await Child.start(process.execPath, [
      PROGRAM,
      'conmon',
      String(mebibytes * 1024 * 1024),
    ]);
    await child.saying(/ready/);

    for (let i = 0; i < 3; i++) expect((await listTargets(service.current)).length).toBeGreaterThan(0);
    const [discoverer] = processTree(service.current.inRole('discoverer').pid);
    expect(discoverer?.residentKiB).toBeLessThan(MAX_RESIDENT_KIB);
    expect(service.current.log).not.toMatch(/discoverer .*ended|cannot scan/);
  });
});
