import { figure } from './figures.js';

const WIDTH = 640;
const HEIGHT = 320;
const MARGIN = { left: 60, right: 120, top: 40, bottom: 40 };
const COLOURS = ['#0a6', '#c33', '#36c', '#a60'];
const GRID_LINES = 4;

export interface LinePicture {
  readonly title: string;
  /** Labels of the x axis, evenly spaced. */
  readonly labels: readonly string[];
  /** One value per label; NaN, allowed at the end only, means no value. */
  readonly lines: ReadonlyMap<string, readonly number[]>;
}

/** A line chart as SVG; the y axis begins at zero. */
export function linePicture({ title, labels, lines }: LinePicture): string {
  const maximum = Math.max(...[...lines.values()].flat().filter(Number.isFinite));
  const x = (index: number) =>
    MARGIN.left + (index / Math.max(1, labels.length - 1)) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (value: number) =>
    HEIGHT - MARGIN.bottom - (value / maximum) * (HEIGHT - MARGIN.top - MARGIN.bottom);

  const grid = Array.from({ length: GRID_LINES + 1 }, (_, i) => {
    const value = (maximum * i) / GRID_LINES;
    return (
      `<path d="M${MARGIN.left} ${y(value)}H${WIDTH - MARGIN.right}" stroke="#8884"/>` +
      text(MARGIN.left - 8, y(value) + 4, figure(value), 'end')
    );
  });
  const bottom = labels.map((label, i) => text(x(i), HEIGHT - MARGIN.bottom + 20, label, 'middle'));
  const curves = [...lines].map(([name, values], i) => {
    const known = values.filter(Number.isFinite);
    const path = known.map((value, at) => `${at ? 'L' : 'M'}${x(at)} ${y(value)}`).join('');
    const label = text(WIDTH - MARGIN.right + 8, y(known.at(-1) ?? 0) + 4, name, 'start');
    return `<path d="${path}" fill="none" stroke="${COLOURS[i]}" stroke-width="2"/>${label}`;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" ` +
    `font-size="12" fill="#777">\n` +
    `${[text(MARGIN.left, 20, title, 'start'), ...grid, ...bottom, ...curves].join('\n')}\n</svg>\n`
  );
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${content}</text>`;
}
