import type { Panel } from './dashboard.js';

/** A line with its name in the legend. */
export interface Line {
  readonly name: string;
  readonly values: readonly number[];
}

/** Position of a panel in the picture, in pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const STEPS = [
  { factor: 1e9, prefix: 'G' },
  { factor: 1e6, prefix: 'M' },
  { factor: 1e3, prefix: 'k' },
] as const;
const COLOURS = ['#5794f2', '#e0752d', '#73bf69', '#b877d9', '#d9a400', '#f2495c', '#3aa8a8', '#888'];
const MARGIN = { left: 62, right: 10, top: 30, bottom: 24 };
const GRID_LINES = 3;
const LEGEND_LETTER_WIDTH = 5.5;
/** Lets a line that is always 0 have a range. */
const MIN_RANGE = 1e-9;

/** One panel as SVG. */
export function drawPanel(panel: Panel, lines: readonly Line[], box: Box): string {
  const { unit } = panel.fieldConfig.defaults;
  const content = panel.type === 'stat' ? drawFigure(lines, unit, box) : drawGraph(lines, unit, box);
  const { x, y, width, height } = box;
  return [
    `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="3" fill="#fff" stroke="#ddd"/>`,
    text(x + 10, y + 19, panel.title, 'start', 'font-weight="bold" fill="#333"'),
    ...content,
  ].join('\n');
}

/** The last value of the first line. */
function drawFigure([line]: readonly Line[], unit: string, { x, y, width, height }: Box): string[] {
  const last = line?.values.findLast((value) => !Number.isNaN(value)) ?? NaN;
  return [text(x + width / 2, y + height - 24, inUnit(last, unit), 'middle', 'font-size="26" fill="#333"')];
}

function drawGraph(lines: readonly Line[], unit: string, box: Box): string[] {
  const left = box.x + MARGIN.left;
  const right = box.x + box.width - MARGIN.right;
  const top = box.y + MARGIN.top;
  const bottom = box.y + box.height - MARGIN.bottom;
  const maximum = Math.max(MIN_RANGE, ...lines.flatMap(({ values }) => values.filter(Number.isFinite)));
  const yOf = (value: number) => Math.round(bottom - (value / maximum) * (bottom - top));

  const grid = Array.from({ length: GRID_LINES + 1 }, (_, i) => {
    const value = (maximum * i) / GRID_LINES;
    return (
      `<path d="M${left} ${yOf(value)}H${right}" stroke="#eee"/>` +
      text(left - 6, yOf(value) + 4, inUnit(value, unit), 'end')
    );
  });
  const paths = lines.map(({ values }, i) => {
    const xOf = (index: number) => Math.round(left + (index / (values.length - 1)) * (right - left));
    return `<path d="${pathOf(values, xOf, yOf)}" fill="none" stroke="${colour(i)}" stroke-width="1.5"/>`;
  });
  return [...grid, ...paths, ...drawLegend(lines, left, bottom + 16)];
}

function drawLegend(lines: readonly Line[], left: number, y: number): string[] {
  let x = left - MARGIN.left + 12;
  return lines.map(({ name }, i) => {
    const entry = `<path d="M${x} ${y - 4}h10" stroke="${colour(i)}" stroke-width="3"/>${text(x + 14, y, name, 'start')}`;
    x += 24 + name.length * LEGEND_LETTER_WIDTH;
    return entry;
  });
}

/** The line is interrupted where there is no value. */
function pathOf(
  values: readonly number[],
  xOf: (index: number) => number,
  yOf: (value: number) => number,
): string {
  let pen = 'M';
  return values
    .map((value, index) => {
      if (!Number.isFinite(value)) {
        pen = 'M';
        return '';
      }
      const point = `${pen}${xOf(index)} ${yOf(value)}`;
      pen = 'L';
      return point;
    })
    .join('');
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length] ?? '';
}

function text(x: number, y: number, content: string, anchor: string, style = 'fill="#666"'): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" ${style}>${escaped}</text>`;
}

/** Formats a value in one of Grafana's units. */
function inUnit(value: number, unit: string): string {
  switch (unit) {
    case 'bytes':
      return `${scaled(value)}B`;
    case 'Bps':
      return `${scaled(value)}B/s`;
    case 'pps':
      return `${scaled(value)} p/s`;
    case 'reqps':
      return `${scaled(value)}/s`;
    case 'percentunit':
      return `${digits(value * 100)} %`;
    case 's':
      return value < 1 ? `${digits(value * 1000)} ms` : `${digits(value)} s`;
    default:
      return scaled(value);
  }
}

function scaled(value: number): string {
  const step = STEPS.find(({ factor }) => Math.abs(value) >= factor);
  return step ? `${digits(value / step.factor)} ${step.prefix}` : digits(value);
}

function digits(value: number): string {
  return String(Number(value.toPrecision(3)));
}
