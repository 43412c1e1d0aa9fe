import { readdirSync } from 'node:fs';
import { Child } from '../kit/child.js';
import { eventually } from '../kit/eventually.js';
import { describeAsRoot } from '../kit/root.js';
import { run } from '../kit/run.js';
import { namespaceOfProcess } from '../kit/namespace-holders.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { startTimeOf } from '../kit/processes.js';

const PROCESSES = 2_000;
const LIMIT_MS = 100;
const PROGRAM = new URL('./programs/time-finding.ts', import.meta.url).pathname;

/** What the program measures for one reference. */
interface Finding {
  readonly holder: string;
  readonly medianMs: number;
  /** Number of directories of /proc that were listed for one lookup. */
  readonly listings: number;
}

describeAsRoot(`With ${PROCESSES} processes, a namespace is found`, () => {
  let crowd: Child;

  beforeAll(async () => {
    // In a separate PID namespace, so that all end with its first process.
    const script = `i=0; while [ $i -lt ${PROCESSES} ]; do sleep infinity & i=$((i+1)); done; echo crowded; wait`;
    crowd = await Child.start('unshare', ['--pid', '--fork', '--kill-child', 'sh', '-c', script]);
    await crowd.saying(/crowded/, 60_000);
    await eventually('the crowd', () => processes() > PROCESSES);
  });
  afterAll(async () => {
    await crowd[Symbol.asyncDispose]();
    await eventually('the end of the crowd', () => processes() < PROCESSES, 30_000);
  });

  it(`within ${LIMIT_MS} ms when a process holds it`, async () => {
    await using namespace = await namespaceOfProcess();
    const finding = await findingOf({ netns: namespace.inode });
    console.info(`held by a process: ${finding.medianMs.toFixed(1)} ms`);
    expect(finding).toMatchObject({ holder: 'process', listings: 1 });
    expect(finding.medianMs).toBeLessThan(LIMIT_MS);
  });

  it(`within ${LIMIT_MS} ms when a bind mount holds it`, async () => {
    await using namespace = await NetworkNamespace.create();
    const finding = await findingOf({ netns: namespace.inode });
    console.info(`held by a bind mount: ${finding.medianMs.toFixed(1)} ms`);
    // Processes that are in it are searched for before.
    expect(finding).toMatchObject({ holder: 'mount', listings: 2 });
    expect(finding.medianMs).toBeLessThan(LIMIT_MS);
  });

  it('without reading any other process when the reference contains the process', async () => {
    await using namespace = await namespaceOfProcess();
    const { inode, pid } = namespace;
    for (const reference of [
      { netns: inode, pid, startTime: startTimeOf(pid) },
      { netns: inode, pid },
    ]) {
      const finding = await findingOf(reference);
      console.info(`held by the process of the reference: ${finding.medianMs.toFixed(2)} ms`);
      expect(finding).toMatchObject({ holder: 'process', listings: 0 });
      expect(finding.medianMs).toBeLessThan(LIMIT_MS / 10);
    }
  });

  /** Measures the built service in a separate process. */
  async function findingOf(reference: object): Promise<Finding> {
    return JSON.parse(await run(process.execPath, PROGRAM, JSON.stringify(reference))) as Finding;
  }
});

function processes(): number {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length;
}
