import type { Table } from '../report/table.js';
import type { Sample } from './samples.js';
import { certainGrowth, type Slope, slopeOf } from './slope.js';

/** What the first rounds do to a process: heaps and thread pools get as big as they have to be. */
const WARM_UP_SHARE = 0.3;
/** Fewer samples of a process say nothing. */
const FEWEST_SAMPLES = 5;
/** A leak of 2 KiB for each capture of this load is about as much. */
const MOST_MIB_PER_HOUR = 8;
/** The collector comes when it is due, not when we look: a heap of 100 MiB goes up and down by about as much. */
const BREATH_MIB = 16;
const MOST_DESCRIPTORS = 1;
const MOST_THREADS = 0.5;

/** All processes of the service at one moment between two rounds of load. */
export interface Moment {
  readonly hours: number;
  readonly samples: readonly Sample[];
}

interface Quantity {
  readonly name: string;
  readonly of: (sample: Sample) => number;
  /** How much of it may come in that time. */
  readonly limit: (hours: number) => number;
}

const memoryLimit = (hours: number): number => BREATH_MIB + MOST_MIB_PER_HOUR * hours;

const QUANTITIES: readonly Quantity[] = [
  { name: 'descriptors', of: ({ descriptors }) => descriptors, limit: () => MOST_DESCRIPTORS },
  { name: 'threads', of: ({ threads }) => threads, limit: () => MOST_THREADS },
  { name: 'private MiB', of: ({ privateKiB }) => privateKiB / 1024, limit: memoryLimit },
  { name: 'proportional MiB', of: ({ proportionalKiB }) => proportionalKiB / 1024, limit: memoryLimit },
];

export interface Verdict {
  readonly table: Table;
  /** What grew, in words; empty: nothing did. */
  readonly growth: readonly string[];
}

/** Fits a line to each quantity of each process that lived long enough, and says which rise for certain. */
export function judge(moments: readonly Moment[]): Verdict {
  const rows: string[][] = [];
  const growth: string[] = [];
  for (const [pid, role] of processesOf(moments)) {
    const all = moments.flatMap(({ hours, samples }) =>
      samples.filter((sample) => sample.pid === pid).map((sample) => ({ hours, sample })),
    );
    const judged = all.slice(Math.floor(all.length * WARM_UP_SHARE));
    if (judged.length < FEWEST_SAMPLES) continue;
    for (const { name, of, limit } of QUANTITIES) {
      const slope = slopeOf(judged.map(({ hours, sample }) => [hours, of(sample)]));
      const grown = certainGrowth(slope) > limit(slope.hours);
      if (grown) growth.push(`${role} ${pid}: ${name}, ${slope.perHour.toFixed(2)} per hour`);
      const [first, last] = [judged[0], judged.at(-1)].map((each) => (each ? of(each.sample) : NaN));
      rows.push(row(`${role} ${pid}`, name, judged.length, first ?? NaN, last ?? NaN, slope, grown));
    }
  }
  const columns = ['process', 'quantity', 'samples', 'minutes', 'first', 'last', 'slope per hour', '±', ''];
  return { table: { title: 'What the processes took, at rest between the rounds', columns, rows }, growth };
}

function processesOf(moments: readonly Moment[]): Map<number, string> {
  return new Map(moments.flatMap(({ samples }) => samples.map(({ pid, role }) => [pid, role] as const)));
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
