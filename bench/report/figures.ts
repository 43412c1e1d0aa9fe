/** A value measured in several rounds. */
export interface Spread {
  readonly median: number;
  readonly minimum: number;
  readonly maximum: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b);
  return { median: quantile(sorted, 0.5), minimum: sorted[0] ?? NaN, maximum: sorted.at(-1) ?? NaN };
}

/** @param sorted ascending @returns NaN if there are no values */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) return NaN;
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

const MISSING = '–';

/** At most three significant digits for small numbers, thousands separators for large ones. */
export function figure(value: number | undefined): string {
  if (value === Infinity) return '∞'; // a ratio to a time below the resolution
  if (value === undefined || !Number.isFinite(value)) return MISSING;
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  if (Math.abs(value) >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

export function count(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? MISSING : Math.round(value).toLocaleString('en-US');
}

/** The median with minimum and maximum. */
export function spread({ median, minimum, maximum }: Spread): string {
  return minimum === maximum ? figure(median) : `${figure(median)} (${figure(minimum)}–${figure(maximum)})`;
}

export function percent(share: number): string {
  if (Number.isNaN(share)) return MISSING;
  return `${(share * 100).toFixed(share >= 0.9995 || share === 0 ? 0 : share < 0.1 ? 2 : 1)} %`;
}

export function rate(packetsPerSecond: number): string {
  return packetsPerSecond === 0 ? 'max' : `${figure(packetsPerSecond / 1_000).replace(/\.0+$/, '')} k/s`;
}
