import type { Bench } from '../bench.js';
import type { Table } from '../report/table.js';

export interface Findings {
  readonly tables: readonly Table[];
  /** All measurements, for `--json`. */
  readonly data: unknown;
  /** SVG by name. */
  readonly pictures?: Readonly<Record<string, string>>;
}

export type Scenario = (bench: Bench) => Promise<Findings>;

/** Rotates the order of the subjects, so that none always follows the same other one. */
export function rotated<T>(items: readonly T[], by: number): T[] {
  return items.map((_, index) => items[(index + by) % items.length] as T);
}
