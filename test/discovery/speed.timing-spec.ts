import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../kit/child.js';
import { describeAsRoot } from '../kit/root.js';
import { serviceForAllTests } from '../kit/service.js';
import { listTargets } from './listed-targets.js';

const NAMESPACES = 500;
const PROCESSES = 5_000;
/** For two cores without other load. */
const MAX_SCAN_MS = 1_000;
const STARTUP_TIMEOUT_MS = 120_000;
const MAX_BLOCKED_MS = 20;

const SCAN_REPEATEDLY = new URL('../kit/programs/scan-repeatedly.ts', import.meta.url).pathname;
const SCANNER = new URL('../../dist/discoverer/scanner.js', import.meta.url).href;
interface Result {
  readonly tookMs: number;
  readonly blockedMs: number;
  readonly targets: number;
}

/** Each of these processes ends with the shell, by its parent-death signal. */
const CROWD = `
  prog='setpriv --pdeathsig KILL sleep 600'
  for i in $(seq ${NAMESPACES}); do unshare --net $prog & done
  for i in $(seq ${PROCESSES - NAMESPACES}); do $prog & done
  echo started
  wait`;

describeAsRoot(`With ${NAMESPACES} network namespaces and ${PROCESSES} processes`, () => {
  const service = serviceForAllTests(['--local-discovery']);
  let crowd: Child;
  let inodes: Set<number>;
  beforeAll(async () => {
    crowd = await Child.start('sh', ['-c', CROWD]);
    await crowd.saying(/started/, STARTUP_TIMEOUT_MS);
    inodes = await untilAllAreListed();
  }, STARTUP_TIMEOUT_MS);
  afterAll(async () => {
    crowd?.signal('SIGKILL');
    await crowd?.ended;
  }, STARTUP_TIMEOUT_MS);

  /** Waits because the shell prints "started" before its last child has called unshare(2). */
  async function untilAllAreListed(): Promise<Set<number>> {
    for (;;) {
      await sleep(500);
      const targets = await listTargets(service.current);
      const sleeps = targets.filter(({ name }) => name.startsWith('sleep('));
      if (sleeps.length >= NAMESPACES) return new Set(sleeps.map(({ netns }) => netns));
    }
  }

  it(`all are listed in less than ${MAX_SCAN_MS / 1000} s`, async () => {
    expect(readdirSync('/proc').length).toBeGreaterThan(PROCESSES);
    const timesMs: number[] = [];
    for (let i = 0; i < 5; i++) {
      const begin = performance.now();
      const targets = await listTargets(service.current);
      timesMs.push(performance.now() - begin);
      expect(targets.filter(({ netns }) => inodes.has(netns)).length).toBeGreaterThanOrEqual(NAMESPACES);
    }
    // The minimum, because other processes use the machine, too.
    expect(Math.min(...timesMs)).toBeLessThan(MAX_SCAN_MS);
  });

  it(`the event loop is blocked for less than ${MAX_BLOCKED_MS} ms`, async () => {
    // A shell starts it because the scanner regards the parent process as the supervisor.
    const command = `${process.execPath} ${SCAN_REPEATEDLY} ${SCANNER}; exit $?`;
    await using scanning = await Child.start('sh', ['-c', command]);
    const output = await scanning.succeeded();
    const results = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Result);
    for (const { targets } of results) expect(targets).toBeGreaterThanOrEqual(NAMESPACES);
    expect(Math.min(...results.map(({ blockedMs }) => blockedMs))).toBeLessThan(MAX_BLOCKED_MS);
    expect(Math.min(...results.map(({ tookMs }) => tookMs))).toBeLessThan(MAX_SCAN_MS);
  });

  it('concurrent requests share scans', async () => {
    const begin = performance.now();
    await Promise.all(Array.from({ length: 20 }, () => listTargets(service.current)));
    expect(performance.now() - begin).toBeLessThan(3 * MAX_SCAN_MS);
  });
});
