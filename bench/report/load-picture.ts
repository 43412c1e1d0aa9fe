import type { Point } from '../measure/measure-point.js';
import { spreadOf } from '../measure/statistics.js';
import { figure, rate } from './figures.js';

const WIDTH = 640;
const HEIGHT = 320;
const MARGIN = { left: 60, right: 120, top: 40, bottom: 40 };
const COLOURS = ['#0a6', '#c33', '#36c', '#a60'];
const GRID_LINES = 4;

/** CPU per million packets over the rate, a line per subject: an SVG for one packet size. */
export function loadPicture(points: readonly Point[], frameBytes: number): string {
  const chosen = points.filter((point) => point.load.frameBytes === frameBytes);
  const rates = [...new Set(chosen.map(({ load }) => load.packetsPerSecond))];
  const subjects = [...new Set(chosen.map(({ subject }) => subject))];
  const most = Math.max(...chosen.map(cpuOf).filter(Number.isFinite));
  const x = (index: number) =>
    MARGIN.left + (index / Math.max(1, rates.length - 1)) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (value: number) =>
    HEIGHT - MARGIN.bottom - (value / most) * (HEIGHT - MARGIN.top - MARGIN.bottom);

  const grid = Array.from({ length: GRID_LINES + 1 }, (_, i) => {
    const value = (most * i) / GRID_LINES;
    return (
      `<path d="M${MARGIN.left} ${y(value)}H${WIDTH - MARGIN.right}" stroke="#8884"/>` +
      text(MARGIN.left - 8, y(value) + 4, figure(value), 'end')
    );
  });
  const labels = rates.map((each, i) => text(x(i), HEIGHT - MARGIN.bottom + 20, rate(each), 'middle'));
  const lines = subjects.map((subject, i) => {
    const values = rates.map((each) => {
      const point = chosen.find(
        ({ load, subject: name }) => name === subject && load.packetsPerSecond === each,
      );
      return point ? cpuOf(point) : NaN;
    });
    const path = values.map((value, at) => `${at ? 'L' : 'M'}${x(at)} ${y(value)}`).join('');
    const label = text(WIDTH - MARGIN.right + 8, y(values.at(-1) ?? 0) + 4, subject, 'start');
    return `<path d="${path}" fill="none" stroke="${COLOURS[i]}" stroke-width="2"/>${label}`;
  });
  const title = text(
    MARGIN.left,
    20,
    `CPU s per million packets of ${frameBytes} bytes, by packets/s`,
    'start',
  );
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" ` +
    `font-size="12" fill="#777">\n${[title, ...grid, ...labels, ...lines].join('\n')}\n</svg>\n`
  );
}

function cpuOf({ rounds }: Point): number {
  return spreadOf(rounds.map(({ cpuSeconds, delivered }) => (cpuSeconds / delivered) * 1e6)).median;
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${content}</text>`;
}
