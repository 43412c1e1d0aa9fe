/** A straight line through values over time, by least squares. */
export interface Slope {
  readonly perHour: number;
  /** Of `perHour`: what the scatter of the values leaves open. */
  readonly standardError: number;
  /** What the values span. */
  readonly hours: number;
}

/** @param points hours and values; three at least, not all at the same time */
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

/** How much of the growth is beyond doubt: the lower end of the interval of about 95 %, 0 where that is below. */
export function certainGrowth({ perHour, standardError, hours }: Slope): number {
  return Math.max(0, perHour - 2 * standardError) * hours;
}
