import type { Table } from '../report/table.js';
import type { Sample } from './samples.js';

/** Samples to ignore: heaps and thread pools grow to their working size first. */
const WARM_UP_SHARE = 0.3;
/** Processes with fewer samples are not judged. */
const MIN_SAMPLES = 5;
/** About a leak of 2 KiB per capture at this load. */
const MAX_MIB_PER_HOUR = 8;
/** Samples are not aligned with garbage collections: a heap of 100 MiB varies by about this much. */
const HEAP_VARIATION_MIB = 16;
/** An engine starts up to three more threads when all have something to do; each has three descriptors. */
const MAX_THREADS = 3.5;
const MAX_DESCRIPTORS = 3 * MAX_THREADS;

/** All processes of the service at rest, between two rounds of load. */
export interface Snapshot {
  readonly hours: number;
  readonly samples: readonly Sample[];
}

interface Quantity {
  readonly name: string;
  readonly of: (sample: Sample) => number;
  /** Allowed growth in that time. */
  readonly limit: (hours: number) => number;
}

const memoryLimit = (hours: number): number => HEAP_VARIATION_MIB + MAX_MIB_PER_HOUR * hours;

const QUANTITIES: readonly Quantity[] = [
  { name: 'descriptors', of: ({ descriptors }) => descriptors, limit: () => MAX_DESCRIPTORS },
  { name: 'threads', of: ({ threads }) => threads, limit: () => MAX_THREADS },
  { name: 'private MiB', of: ({ privateKiB }) => privateKiB / 1024, limit: memoryLimit },
  { name: 'proportional MiB', of: ({ proportionalKiB }) => proportionalKiB / 1024, limit: memoryLimit },
];

export interface GrowthReport {
  readonly table: Table;
  /** One sentence per quantity that grew. */
  readonly growth: readonly string[];
}

/** Fits a line to each quantity of each process that lived long enough, and reports which ones grow with certainty. */
export function findGrowth(snapshots: readonly Snapshot[]): GrowthReport {
  const rows: string[][] = [];
  const growth: string[] = [];
  for (const [pid, role] of processesOf(snapshots)) {
    const all = snapshots.flatMap(({ hours, samples }) =>
      samples.filter((sample) => sample.pid === pid).map((sample) => ({ hours, sample })),
    );
    const judged = all.slice(Math.floor(all.length * WARM_UP_SHARE));
    if (judged.length < MIN_SAMPLES) continue;
    for (const { name, of, limit } of QUANTITIES) {
      const slope = slopeOf(judged.map(({ hours, sample }) => [hours, of(sample)]));
      const grown = certainGrowth(slope) > limit(slope.hours);
      if (grown) growth.push(`${role} ${pid}: ${name}, ${slope.perHour.toFixed(2)} per hour`);
      const [first, last] = [judged[0], judged.at(-1)].map((each) => (each ? of(each.sample) : NaN));
      rows.push(row(`${role} ${pid}`, name, judged.length, first ?? NaN, last ?? NaN, slope, grown));
    }
  }
  const columns = ['process', 'quantity', 'samples', 'minutes', 'first', 'last', 'slope per hour', '±', ''];
  return {
    table: { title: 'Resources of the processes, at rest between the rounds', columns, rows },
    growth,
  };
}

function processesOf(snapshots: readonly Snapshot[]): Map<number, string> {
  return new Map(snapshots.flatMap(({ samples }) => samples.map(({ pid, role }) => [pid, role] as const)));
}

function row(
  name: string,
  quantity: string,
  samples: number,
  first: number,
  last: number,
  { perHour, standardError, hours }: Slope,
  grown: boolean,
): string[] {
  const digits = quantity.endsWith('MiB') ? 2 : 0;
  return [
    name,
    quantity,
    String(samples),
    (hours * 60).toFixed(0),
    first.toFixed(digits),
    last.toFixed(digits),
    perHour.toFixed(2),
    (2 * standardError).toFixed(2),
    grown ? 'GROWS' : 'flat',
  ];
}

/** A straight line through values over time, by least squares. */
export interface Slope {
  readonly perHour: number;
  /** Of `perHour`. */
  readonly standardError: number;
  /** Time between the first and the last value. */
  readonly hours: number;
}

/** @param points at least three, not all at the same time */
export function slopeOf(points: readonly (readonly [hours: number, value: number])[]): Slope {
  const count = points.length;
  const meanTime = points.reduce((sum, [time]) => sum + time, 0) / count;
  const meanValue = points.reduce((sum, [, value]) => sum + value, 0) / count;
  const spread = points.reduce((sum, [time]) => sum + (time - meanTime) ** 2, 0);
  const perHour =
    points.reduce((sum, [time, value]) => sum + (time - meanTime) * (value - meanValue), 0) / spread;
  const residue = points.reduce(
    (sum, [time, value]) => sum + (value - meanValue - perHour * (time - meanTime)) ** 2,
    0,
  );
  const times = points.map(([time]) => time);
  return {
    perHour,
    standardError: Math.sqrt(residue / (count - 2) / spread),
    hours: Math.max(...times) - Math.min(...times),
  };
}

/** Lower end of the 95 % confidence interval of the growth, at least 0. */
export function certainGrowth({ perHour, standardError, hours }: Slope): number {
  return Math.max(0, perHour - 2 * standardError) * hours;
}
