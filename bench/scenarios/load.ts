import type { Bench } from '../bench.js';
import type { Load } from '../load/load-generator.js';
import { measurePoint, type Measurement, type Point } from '../measure/measure-point.js';
import { linePicture } from '../report/line-picture.js';
import { count, figure, percent, quantile, rate, spread, spreadOf } from '../report/figures.js';
import type { Table } from '../report/table.js';
import { rotated, type Findings } from './scenario.js';

const EXTENTS = {
  quick: { sizes: [200], rates: [20_000, 150_000] },
  usual: { sizes: [200, 1_000], rates: [1_000, 20_000, 150_000, 0] },
  matrix: { sizes: [64, 200, 1_000, 1_500, 65_000], rates: [1_000, 10_000, 20_000, 50_000, 150_000, 0] },
};
/** More than a generator can send with one core. */
const MAX_BYTES_PER_SECOND = 2e9;

/** One capture at several packet sizes and rates: delivered packets and cost, compared with programs that discard packets. */
export async function measureLoad(bench: Bench): Promise<Findings> {
  const bed = await bench.testBed();
  const subjects = bench.subjects();
  const points: Point[] = [];
  for (const load of loadsOf(bench)) {
    const pointsOfLoad = subjects.map((subject) => ({
      load,
      subject: subject.name,
      rounds: [] as Measurement[],
    }));
    for (let round = 0; round < bench.options.rounds; round += 1) {
      for (const index of rotated([...subjects.keys()], round)) {
        const subject = subjects[index];
        if (!subject) continue;
        bench.progress(`${describe(load)}, round ${round + 1}, ${subject.name}`);
        pointsOfLoad[index]?.rounds.push(await measurePoint(bench, bed, subject, load));
      }
    }
    points.push(...pointsOfLoad);
  }
  await bed.namespace.end();
  const sizes = [...new Set(points.map((point) => point.load.frameBytes))];
  return {
    tables: [tableOf(points, subjects[1]?.name ?? '')],
    data: points,
    pictures: Object.fromEntries(sizes.map((size) => [`cpu-${size}`, loadPicture(points, size)])),
  };
}

function loadsOf({ options }: Bench): Load[] {
  const { sizes, rates } = { ...EXTENTS[options.extent], ...options };
  return (sizes ?? []).flatMap((frameBytes) =>
    (rates ?? [])
      .filter((packetsPerSecond) => packetsPerSecond * frameBytes <= MAX_BYTES_PER_SECOND)
      .map((packetsPerSecond) => ({ frameBytes, packetsPerSecond, seconds: options.seconds })),
  );
}

function describe({ frameBytes, packetsPerSecond }: Load): string {
  return `${count(frameBytes)} B × ${rate(packetsPerSecond)}`;
}

function tableOf(points: readonly Point[], reference: string): Table {
  const rows = points.map(({ load, subject, rounds }) => {
    const referencePoint = points.find((point) => point.load === load && point.subject === reference);
    const delivered = sumOf(rounds, 'delivered');
    const offered = sumOf(rounds, 'offered');
    const dropped = sumOf(rounds, 'dropped');
    const ratios = rounds.map((round, i) => perMillion(round) / perMillion(referencePoint?.rounds[i]));
    return [
      describe(load),
      subject,
      count(spreadOf(rounds.map((round) => round.offeredPerSecond)).median),
      percent(delivered / offered),
      percent(dropped / offered),
      percent(Math.max(0, offered - delivered - dropped) / offered),
      spread(spreadOf(rounds.map(perMillion))),
      figure(spreadOf(rounds.map(perGigabyte)).median),
      subject === reference ? '1' : spread(spreadOf(ratios)),
      shares(rounds),
      count(spreadOf(rounds.map(({ bytes = NaN, messages = NaN }) => bytes / messages)).median),
      latency(rounds),
      figure(spreadOf(rounds.map(({ memoryMiB }) => memoryMiB)).median),
      percent(spreadOf(rounds.map(({ machineBusy }) => machineBusy)).median),
      [...new Set(rounds.flatMap(({ damage }) => damage ?? []))].join('; '),
    ];
  });
  return {
    title: 'One capture under load',
    columns: [
      'load',
      'subject',
      'offered /s',
      'delivered',
      'lost: kernel',
      'service',
      'CPU s per M packets',
      'per GB',
      `ratio to ${reference}`,
      'CPU s: server + engine',
      'B/message',
      'latency p50/p99/max ms',
      'memory MiB',
      'machine',
      'problems',
    ],
    rows,
  };
}

/** Relative to delivered packets, because missed packets cost the capture nothing. */
function perMillion(round: Measurement | undefined): number {
  return round ? (round.cpuSeconds / round.delivered) * 1e6 : NaN;
}

function perGigabyte(round: Measurement): number {
  const bytes = round.offeredBytes * (round.delivered / round.offered);
  return (round.cpuSeconds / bytes) * 1e9;
}

function shares(rounds: readonly Measurement[]): string {
  const [server, engine] = ['server', 'engine'].map(
    (role) => spreadOf(rounds.map(({ cpuByRole }) => cpuByRole[role] ?? NaN)).median,
  );
  return server === undefined || Number.isNaN(server) ? '–' : `${figure(server)} + ${figure(engine)}`;
}

function latency(rounds: readonly Measurement[]): string {
  const sorted = Float64Array.from(rounds.flatMap(({ latencies = [] }) => latencies)).sort();
  if (sorted.length === 0) return '–';
  return [quantile(sorted, 0.5), quantile(sorted, 0.99), sorted.at(-1)].map(figure).join(' / ');
}

function sumOf(rounds: readonly Measurement[], field: 'delivered' | 'offered' | 'dropped'): number {
  return rounds.reduce((sum, round) => sum + round[field], 0);
}

/** CPU time per million packets over the rate, one line per subject, for one packet size. */
function loadPicture(points: readonly Point[], frameBytes: number): string {
  const chosen = points.filter((point) => point.load.frameBytes === frameBytes);
  const rates = [...new Set(chosen.map(({ load }) => load.packetsPerSecond))];
  const subjects = [...new Set(chosen.map(({ subject }) => subject))];
  const cpuAt = (subject: string, packetsPerSecond: number): number => {
    const point = chosen.find(
      ({ load, subject: name }) => name === subject && load.packetsPerSecond === packetsPerSecond,
    );
    return point ? spreadOf(point.rounds.map(perMillion)).median : NaN;
  };
  return linePicture({
    title: `CPU s per million packets of ${frameBytes} bytes, by packets/s`,
    labels: rates.map(rate),
    lines: new Map(subjects.map((subject) => [subject, rates.map((each) => cpuAt(subject, each))])),
  });
}
