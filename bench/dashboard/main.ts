/**
 * `npm run dashboard`: draws docs/grafana/packetflix-dashboard.svg without Grafana. A real Prometheus scrapes the service
 * under load for two minutes and answers the queries of the dashboard's panels; the results are drawn in the dashboard's
 * layout. A panel without data fails the run.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Service } from '../../test/kit/service.js';
import { expressionFor, readDashboard, type Panel } from './dashboard.js';
import { drawPanel, type Line } from './draw-panel.js';
import { Prometheus } from './prometheus.js';
import { runWorkload } from './workload.js';

const DASHBOARD = new URL('../../docs/grafana/packetflix-dashboard.json', import.meta.url).pathname;
const PICTURE = DASHBOARD.replace(/json$/, 'svg');
const WORKLOAD_SECONDS = 120;
const RATE_SECONDS = 10;
const STEP_SECONDS = 2;
/** Grafana's grid has 24 columns. */
const COLUMN_PIXELS = 50;
const ROW_PIXELS = 26;
const GAP_PIXELS = 6;

if (process.getuid?.() !== 0) fail('network namespaces require root');
if (spawnSync('prometheus', ['--version']).error)
  fail('Prometheus is not installed: apt-get install prometheus');

const { panels } = readDashboard(DASHBOARD);
await using service = await Service.start(['--log-format', 'text']);
await using prometheus = await Prometheus.start(`127.0.0.1:${service.port}`);
await sleep(RATE_SECONDS * 1000);
const from = Math.floor(Date.now() / 1000);
await runWorkload(service, WORKLOAD_SECONDS);
const to = Math.floor(Date.now() / 1000);

const drawn: string[] = [];
for (const panel of panels) drawn.push(drawPanel(panel, await linesOf(panel), boxOf(panel)));
const width = 24 * COLUMN_PIXELS;
const height = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * ROW_PIXELS;
writeFileSync(
  PICTURE,
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">\n` +
    `<rect width="${width}" height="${height}" fill="#f4f5f5"/>\n${drawn.join('\n')}\n</svg>\n`,
);
console.log(`drawn: ${PICTURE}`);

async function linesOf(panel: Panel): Promise<Line[]> {
  const lines: Line[] = [];
  for (const { expr, legendFormat } of panel.targets) {
    const expression = expressionFor(expr, RATE_SECONDS, WORKLOAD_SECONDS);
    const series = await prometheus.query(expression, from, to, STEP_SECONDS);
    for (const { labels, values } of series) {
      const name = legendFormat.replace(/{{(\w+)}}/g, (_, label: string) => labels[label] ?? '');
      if (values.some(Number.isFinite)) lines.push({ name, values });
    }
  }
  if (lines.length === 0) throw new Error(`the panel "${panel.title}" has no data`);
  return lines;
}

function boxOf({ gridPos }: Panel) {
  return {
    x: gridPos.x * COLUMN_PIXELS + GAP_PIXELS / 2,
    y: gridPos.y * ROW_PIXELS + GAP_PIXELS / 2,
    width: gridPos.w * COLUMN_PIXELS - GAP_PIXELS,
    height: gridPos.h * ROW_PIXELS - GAP_PIXELS,
  };
}

function fail(message: string): never {
  process.stderr.write(`dashboard: ${message}\n`);
  process.exit(1);
}
