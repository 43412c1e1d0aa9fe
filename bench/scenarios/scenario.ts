import type { Bench } from '../bench.js';
import type { Table } from '../report/table.js';

export interface Findings {
  readonly tables: readonly Table[];
  /** All that was measured, for `--json`. */
  readonly data: unknown;
  /** SVG by name. */
  readonly pictures?: Readonly<Record<string, string>>;
}

export type Scenario = (bench: Bench) => Promise<Findings>;

/** In another order each time, so that none always has the machine that the same other one has left behind. */
export function rotated<T>(items: readonly T[], by: number): T[] {
  return items.map((_, index) => items[(index + by) % items.length] as T);
}
