import { setTimeout as sleep } from 'node:timers/promises';
import { heldNamespaces } from '../../test/kit/held-namespaces.js';
import { cpuOfTrees, totalSeconds } from '../measure/cpu.js';
import type { Table } from '../report/table.js';
import { Cast } from './cast.js';
import { type Fault, Faults } from './faults.js';
import type { SoakOptions } from './options.js';
import { Random } from '../../test/kit/random.js';
import { sampleAtRest } from './samples.js';
import { SteadyCapture } from './steady-capture.js';
import { Tally } from './tally.js';
import { judge, type Moment } from './verdict.js';
import { createWorld, type World } from './world.js';

const ROUND_MS = 45_000;
/** How many faults there are, however long it takes; all kinds of them in turn. */
const FAULTS = 16;
const SHORTEST_FAULT_INTERVAL_MS = 50_000;
const FAULTS_OF_FIRST_HALF: readonly Fault[] = [
  'kill engine',
  'kill discovery',
  'stop engine',
  'kill server',
];
/** Server and discoverer live through the second half, so that their memory can be followed. */
const FAULTS_OF_SECOND_HALF: readonly Fault[] = ['kill engine', 'stop engine'];

export interface SoakResult {
  readonly tables: readonly Table[];
  readonly moments: readonly Moment[];
  /** Why it has failed; empty: it has not. */
  readonly complaints: readonly string[];
}

/** Runs the whole of it. */
export async function soak({ minutes, seed }: SoakOptions): Promise<SoakResult> {
  await using world = await createWorld(new Random(seed));
  const tally = new Tally();
  const faults = new Faults(world.service);
  const steady = faults.engines.map(() => new SteadyCapture(world, faults, tally));
  const cast = new Cast(world, faults, tally);
  const run = new Run(world, faults, tally, cast, steady, minutes * 60_000);
  const moments = await run.rounds();
  await cast.end();
  await Promise.all(steady.map((capture) => capture.stop()));
  const packets = steady.reduce((sum, capture) => sum + capture.packets, 0);
  const verdict = judge(moments);
  return {
    moments,
    complaints: [...tally.complaints, ...verdict.growth.map((what) => `grows: ${what}`)],
    tables: [
      { title: 'What was done', columns: ['what', 'times'], rows: tally.rows() },
      verdict.table,
      {
        title: 'In all',
        columns: ['what', ''],
        rows: [
          ['packets of the steady captures, none missing unless told above', String(packets)],
          ['service, share of one core', `${(run.coreShare * 100).toFixed(1)} %`],
          ['complaints', String(tally.complaints.length)],
        ],
      },
    ],
  };
}

/** Rounds of load with a fault now and then, and a look at the service at rest behind each. */
class Run {
  coreShare = NaN;
  private readonly start = performance.now();
  private readonly moments: Moment[] = [];
  private faultCount = 0;
  private engines = '';
  private nextFaultMs: number;

  constructor(
    private readonly world: World,
    private readonly faults: Faults,
    private readonly tally: Tally,
    private readonly cast: Cast,
    private readonly steady: readonly SteadyCapture[],
    private readonly totalMs: number,
  ) {
    this.nextFaultMs = this.faultIntervalMs;
  }

  async rounds(): Promise<Moment[]> {
    const cpu = this.cpuSeconds();
    while (this.elapsedMs < this.totalMs) {
      await sleep(ROUND_MS);
      await this.cast.pause();
      await this.look();
      this.cast.resume();
      if (this.elapsedMs >= this.nextFaultMs) await this.inflictNext();
    }
    this.coreShare = (this.cpuSeconds() - cpu) / (this.elapsedMs / 1_000);
    return this.moments;
  }

  private async look(): Promise<void> {
    try {
      await this.spreadOut();
      const samples = await sampleAtRest(this.world.service.pid);
      this.moments.push({ hours: this.elapsedMs / 3_600_000, samples });
      const strange = heldNamespaces(this.world.service.processes()).filter(
        (inode) => inode !== this.world.steady.inode,
      );
      if (strange.length > 0) this.tally.complain(`namespaces are held: ${strange.join(', ')}`);
      this.tell(samples.reduce((sum, { privateKiB }) => sum + privateKiB / 1024, 0));
    } catch (error) {
      this.tally.complain(String(error));
    }
  }

  /** One steady capture for each engine, as captures go where there are fewest: all engines take the same then. */
  private async spreadOut(): Promise<void> {
    const engines = this.faults.engines.join();
    if (engines === this.engines) return;
    this.engines = engines;
    for (const capture of this.steady) await capture.move();
  }

  private tell(privateMiB: number): void {
    const minutes = (this.elapsedMs / 60_000).toFixed(1);
    const captures = this.tally.total('captures that come and go');
    process.stderr.write(
      `soak: ${minutes} min, ${captures} captures, ${privateMiB.toFixed(0)} MiB private\n`,
    );
  }

  private async inflictNext(): Promise<void> {
    const kinds = this.elapsedMs < this.totalMs / 2 ? FAULTS_OF_FIRST_HALF : FAULTS_OF_SECOND_HALF;
    const fault = kinds[this.faultCount++ % kinds.length] ?? 'kill engine';
    this.nextFaultMs = this.elapsedMs + this.faultIntervalMs;
    this.tally.count(`fault: ${fault}`);
    await this.faults.inflict(fault);
  }

  private get faultIntervalMs(): number {
    return Math.max(SHORTEST_FAULT_INTERVAL_MS, this.totalMs / (FAULTS + 1));
  }

  private get elapsedMs(): number {
    return performance.now() - this.start;
  }

  private cpuSeconds(): number {
    return totalSeconds(cpuOfTrees([this.world.service.pid]));
  }
}
