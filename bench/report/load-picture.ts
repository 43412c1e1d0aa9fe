import type { Point } from '../measure/measure-point.js';
import { spreadOf } from '../measure/statistics.js';
import { rate } from './figures.js';
import { linePicture } from './line-picture.js';

/** CPU per million packets over the rate, a line per subject: an SVG for one packet size. */
export function loadPicture(points: readonly Point[], frameBytes: number): string {
  const chosen = points.filter((point) => point.load.frameBytes === frameBytes);
  const rates = [...new Set(chosen.map(({ load }) => load.packetsPerSecond))];
  const subjects = [...new Set(chosen.map(({ subject }) => subject))];
  const cpuAt = (subject: string, packetsPerSecond: number): number => {
    const point = chosen.find(
      ({ load, subject: name }) => name === subject && load.packetsPerSecond === packetsPerSecond,
    );
    return point ? cpuOf(point) : NaN;
  };
  return linePicture({
    title: `CPU s per million packets of ${frameBytes} bytes, by packets/s`,
    labels: rates.map(rate),
    lines: new Map(subjects.map((subject) => [subject, rates.map((each) => cpuAt(subject, each))])),
  });
}

function cpuOf({ rounds }: Point): number {
  return spreadOf(rounds.map(({ cpuSeconds, delivered }) => (cpuSeconds / delivered) * 1e6)).median;
}
