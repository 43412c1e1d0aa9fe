import type { Spread } from '../measure/statistics.js';

const MISSING = '–';

/** A number with three significant digits at the most where it is small, and thousands apart where it is big. */
export function figure(value: number | undefined): string {
  // Not finite: a ratio to what was less than the resolution.
  if (value === undefined || !Number.isFinite(value)) return MISSING;
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  if (Math.abs(value) >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

export function count(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? MISSING : Math.round(value).toLocaleString('en-US');
}

/** A median, and how far the rounds lie apart. */
export function spread({ median, least, most }: Spread): string {
  return least === most ? figure(median) : `${figure(median)} (${figure(least)}–${figure(most)})`;
}

export function percent(share: number): string {
  if (Number.isNaN(share)) return MISSING;
  return `${(share * 100).toFixed(share >= 0.9995 || share === 0 ? 0 : share < 0.1 ? 2 : 1)} %`;
}

export function rate(packetsPerSecond: number): string {
  return packetsPerSecond === 0 ? 'max' : `${figure(packetsPerSecond / 1_000).replace(/\.0+$/, '')} k/s`;
}
