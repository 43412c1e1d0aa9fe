import { setTimeout as sleep } from 'node:timers/promises';
import { heldNamespaces } from '../../test/kit/held-namespaces.js';
import { Random } from '../../test/kit/random.js';
import { cpuOfTrees, totalSeconds } from '../measure/resources.js';
import type { Table } from '../report/table.js';
import { type Fault, Faults } from './faults.js';
import { sampleAtRest } from './samples.js';
import { SteadyCapture } from './steady-capture.js';
import { findGrowth, type Snapshot } from './growth.js';
import { createSoakEnvironment, type SoakEnvironment } from './soak-environment.js';
import { Totals } from './totals.js';
import { Workload } from './workload.js';

const ROUND_MS = 45_000;
/** Number of faults, independent of the duration; their types alternate. */
const FAULTS = 16;
const MIN_FAULT_INTERVAL_MS = 50_000;
const FAULTS_OF_FIRST_HALF: readonly Fault[] = [
  'kill engine',
  'kill discoverer',
  'stop engine',
  'kill server',
];
/** Server and discoverer survive the second half, so that their memory can be observed. */
const FAULTS_OF_SECOND_HALF: readonly Fault[] = ['kill engine', 'stop engine'];

export interface SoakResult {
  readonly tables: readonly Table[];
  readonly snapshots: readonly Snapshot[];
  /** Empty if the run passed. */
  readonly failures: readonly string[];
}

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
}

/** Runs the workload, injects faults, and judges the result. */
export async function soak({ minutes, seed }: SoakOptions): Promise<SoakResult> {
  await using environment = await createSoakEnvironment(new Random(seed));
  const totals = new Totals();
  const faults = new Faults(environment.service);
  const steady = faults.engines.map(() => new SteadyCapture(environment, faults, totals));
  const workload = new Workload(environment, faults, totals);
  const run = new Run(environment, faults, totals, workload, steady, minutes * 60_000);
  const snapshots = await run.rounds();
  await workload.end();
  await Promise.all(steady.map((capture) => capture.stop()));
  const packets = steady.reduce((sum, capture) => sum + capture.packets, 0);
  const { table, growth } = findGrowth(snapshots);
  return {
    snapshots,
    failures: [...totals.failures, ...growth.map((what) => `grows: ${what}`)],
    tables: [
      { title: 'Events', columns: ['event', 'count'], rows: totals.rows() },
      table,
      {
        title: 'Summary',
        columns: ['what', ''],
        rows: [
          ['packets of the steady captures (missing ones are failures)', String(packets)],
          ['service, share of one core', `${(run.coreShare * 100).toFixed(1)} %`],
          ['failures', String(totals.failures.length)],
        ],
      },
    ],
  };
}

/** Rounds of load, each followed by a snapshot of the service at rest, with faults in between. */
class Run {
  coreShare = NaN;
  private readonly start = performance.now();
  private readonly snapshots: Snapshot[] = [];
  private faultCount = 0;
  private engines = '';
  private nextFaultMs: number;

  constructor(
    private readonly environment: SoakEnvironment,
    private readonly faults: Faults,
    private readonly totals: Totals,
    private readonly workload: Workload,
    private readonly steady: readonly SteadyCapture[],
    private readonly totalMs: number,
  ) {
    this.nextFaultMs = this.faultIntervalMs;
  }

  async rounds(): Promise<Snapshot[]> {
    const cpu = this.cpuSeconds();
    while (this.elapsedMs < this.totalMs) {
      await sleep(ROUND_MS);
      await this.workload.pause();
      await this.takeSnapshot();
      this.workload.resume();
      if (this.elapsedMs >= this.nextFaultMs) await this.injectNext();
    }
    this.coreShare = (this.cpuSeconds() - cpu) / (this.elapsedMs / 1_000);
    return this.snapshots;
  }

  private async takeSnapshot(): Promise<void> {
    try {
      await this.distributeSteadyCaptures();
      const samples = await sampleAtRest(this.environment.service.pid);
      this.snapshots.push({ hours: this.elapsedMs / 3_600_000, samples });
      const unexpected = heldNamespaces(this.environment.service.processes()).filter(
        (inode) => inode !== this.environment.steady.inode,
      );
      if (unexpected.length > 0) this.totals.fail(`namespaces are held: ${unexpected.join(', ')}`);
      this.reportProgress(samples.reduce((sum, { privateKiB }) => sum + privateKiB / 1024, 0));
    } catch (error) {
      this.totals.fail(String(error));
    }
  }

  /** Restarts the steady captures when an engine was replaced: each goes to the engine with the fewest captures. */
  private async distributeSteadyCaptures(): Promise<void> {
    const engines = this.faults.engines.join();
    if (engines === this.engines) return;
    this.engines = engines;
    for (const capture of this.steady) await capture.move();
  }

  private reportProgress(privateMiB: number): void {
    const minutes = (this.elapsedMs / 60_000).toFixed(1);
    const captures = this.totals.total('short captures');
    process.stderr.write(
      `soak: ${minutes} min, ${captures} captures, ${privateMiB.toFixed(0)} MiB private\n`,
    );
  }

  private async injectNext(): Promise<void> {
    const kinds = this.elapsedMs < this.totalMs / 2 ? FAULTS_OF_FIRST_HALF : FAULTS_OF_SECOND_HALF;
    const fault = kinds[this.faultCount++ % kinds.length] ?? 'kill engine';
    this.nextFaultMs = this.elapsedMs + this.faultIntervalMs;
    this.totals.count(`fault: ${fault}`);
    await this.faults.inject(fault);
  }

  private get faultIntervalMs(): number {
    return Math.max(MIN_FAULT_INTERVAL_MS, this.totalMs / (FAULTS + 1));
  }

  private get elapsedMs(): number {
    return performance.now() - this.start;
  }

  private cpuSeconds(): number {
    return totalSeconds(cpuOfTrees([this.environment.service.pid]));
  }
}
