import { setTimeout as sleep } from 'node:timers/promises';
import type { Bench } from '../bench.js';
import type { StreamReport } from '../client/client-messages.js';
import type { TestBed } from '../load/test-bed.js';
import { busyShare, cpuOfMachine, cpuOfTrees, totalSeconds, memoryOfTreesMiB } from '../measure/resources.js';
import { Responsiveness } from '../measure/responsiveness.js';
import { quantile, count, figure, percent } from '../report/figures.js';
import { linePicture } from '../report/line-picture.js';
import { DUMPCAP, ProgramSubject } from '../subjects/program-subject.js';
import type { ServiceSubject } from '../subjects/service-subject.js';
import type { Run } from '../subjects/subject.js';
import type { Findings } from './scenario.js';

const COUNTS = { quick: [1, 20], usual: [1, 20, 200], matrix: [1, 20, 200] };
/** For all captures together: each sees all packets of the interface, so the offered rate is this divided by their number. */
const DELIVERED_PER_SECOND = 100_000;
const FRAME_BYTES = 200;
const SETTLE_MS = 1_000;
const STATISTICS_MS = 1_500;

/** Result of one subject with one number of captures. */
interface Row {
  readonly name: string;
  readonly cells: string[];
  readonly cpuPerMillion: number;
}

/** Many simultaneous captures: their cost when idle, and whether they get equal shares under load. */
export async function measureCaptures(bench: Bench): Promise<Findings> {
  const bed = await bench.testBed();
  const rows: string[][] = [];
  const counts = COUNTS[bench.options.extent];
  const cpuLines = new Map<string, number[]>();
  const add = ({ name, cells, cpuPerMillion }: Row): void => {
    rows.push(cells);
    cpuLines.set(name, [...(cpuLines.get(name) ?? []), cpuPerMillion]);
  };
  const nothing = await idle(bench, []);
  rows.push(['none', '0', '–', percent(nothing.machine), '–', '–', '–', '–', '–', '–', '–']);
  for (const number of counts) {
    for (const service of bench.services()) {
      bench.progress(`${number} captures, ${service.name}`);
      add(await ofService(bench, bed, service, number));
    }
    bench.progress(`${number} captures, dumpcap`);
    add(await ofDumpcap(bench, bed, number));
  }
  await bed.namespace.end();
  return {
    tables: [
      {
        title: 'Simultaneous captures, on one interface',
        columns: [
          'subject',
          'captures',
          'open, all ms',
          'idle: machine',
          'processes',
          'MiB each',
          `loaded, ${count(DELIVERED_PER_SECOND)}/s in total: delivered`,
          'slowest to mean',
          'CPU s per M packets',
          'machine',
          '/version p99 ms',
        ],
        rows,
        notes: [
          '"machine": busy share of all cores, including interrupts, generator and client; "none" is the machine alone.',
        ],
      },
    ],
    data: rows,
    pictures: {
      'cpu-captures': linePicture({
        title: `CPU s per million packets, ${count(DELIVERED_PER_SECOND)}/s in total, by number of captures`,
        labels: counts.map(String),
        lines: cpuLines,
      }),
    },
  };
}

async function idle(bench: Bench, pids: readonly number[]) {
  await sleep(SETTLE_MS);
  const [machine, processes] = [cpuOfMachine(), cpuOfTrees(pids)];
  await sleep(bench.options.seconds * 1_000);
  const seconds = totalSeconds(cpuOfTrees(pids)) - totalSeconds(processes);
  const machineAfter = cpuOfMachine();
  return {
    machine: busyShare(machine, machineAfter),
    processes: seconds / (machineAfter.seconds - machine.seconds),
  };
}

async function load(bench: Bench, bed: TestBed, pids: readonly number[], captures: number) {
  const packetsPerSecond = Math.round(DELIVERED_PER_SECOND / captures);
  const { seconds } = bench.options;
  const [machine, processes] = [cpuOfMachine(), cpuOfTrees(pids)];
  await using generator = await bench.generator.start(bed.namespace, bed.sending(), {
    frameBytes: FRAME_BYTES,
    packetsPerSecond,
    seconds,
  });
  await generator.ended;
  const machineBusy = busyShare(machine, cpuOfMachine());
  await sleep(STATISTICS_MS);
  const sent = Number(/sent (\d+)/.exec(generator.stdout)?.[1] ?? packetsPerSecond * seconds);
  return { sent, machineBusy, cpuSeconds: totalSeconds(cpuOfTrees(pids)) - totalSeconds(processes) };
}

async function ofService(bench: Bench, bed: TestBed, service: ServiceSubject, number: number): Promise<Row> {
  const pids = [service.pid];
  const memoryBefore = memoryOfTreesMiB(pids);
  const start = performance.now();
  const streams = await service.open(bed, [bed.captured()], number);
  const openMs = performance.now() - start;
  const atRest = await idle(bench, pids);
  const memory = (memoryOfTreesMiB(pids) - memoryBefore) / number;
  const responsiveness = new Responsiveness(service.url('/version'));
  const loaded = await load(bench, bed, pids, number);
  await streams.quiet();
  const versionMs = await responsiveness.stop();
  const reports = await streams.report();
  streams.close();
  await sleep(SETTLE_MS);
  return row(service.name, openMs, atRest, memory, loaded, delivered(reports), quantile(versionMs, 0.99));
}

async function ofDumpcap(bench: Bench, bed: TestBed, number: number): Promise<Row> {
  const start = performance.now();
  const subject = new ProgramSubject(DUMPCAP);
  const runs = await Promise.all(Array.from({ length: number }, () => subject.start(bed)));
  const openMs = performance.now() - start;
  const pids = runs.flatMap((run: Run) => run.pids);
  const atRest = await idle(bench, pids);
  const memory = memoryOfTreesMiB(pids) / number;
  const loaded = await load(bench, bed, pids, number);
  const outcomes = await Promise.all(runs.map((run) => run.stop()));
  return row(
    'dumpcap',
    openMs,
    atRest,
    memory,
    loaded,
    outcomes.map((each) => each.delivered),
    NaN,
  );
}

function delivered(reports: readonly StreamReport[]): number[] {
  return reports.map(({ packets }) => packets);
}

function row(
  name: string,
  openMs: number,
  atRest: Awaited<ReturnType<typeof idle>>,
  memoryMiB: number,
  loaded: Awaited<ReturnType<typeof load>>,
  packets: readonly number[],
  versionMs: number,
): Row {
  const sum = packets.reduce((total, each) => total + each, 0);
  const cpuPerMillion = (loaded.cpuSeconds / sum) * 1e6;
  const cells = [
    name,
    String(packets.length),
    figure(openMs),
    percent(atRest.machine),
    percent(atRest.processes),
    figure(memoryMiB),
    percent(sum / (loaded.sent * packets.length)),
    figure(Math.min(...packets) / (sum / packets.length)),
    figure(cpuPerMillion),
    percent(loaded.machineBusy),
    figure(versionMs),
  ];
  return { name, cells, cpuPerMillion };
}
