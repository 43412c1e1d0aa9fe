import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { readDashboard, type Dashboard } from '../../bench/dashboard/dashboard.js';
import { AppModule } from '../../src/server/app.module.js';
import { parseCommandLine } from '../../src/shared/config/parse-command-line.js';
import { createApplication } from '../../src/server/server.js';
import { ServiceMetrics } from '../../src/server/operations/service-metrics.js';

const DASHBOARD = resolve(import.meta.dirname, '../../docs/grafana/packetflix-dashboard.json');

/** Labels that Prometheus adds to each metric, and Grafana's variable for them. */
const OF_PROMETHEUS = ['instance', 'job', 'le'];

/** The labels of every metric, by the names that queries use: a histogram has three. */
async function labelsOfMetrics(): Promise<ReadonlyMap<string, readonly string[]>> {
  const parsed = parseCommandLine([], {});
  if (parsed.kind !== 'options') throw new Error(`no options: ${parsed.kind}`);
  const app = await createApplication(AppModule.forRoot(parsed.options), parsed.options);
  await app.init();
  try {
    const metrics = app.get(ServiceMetrics, { strict: false }).registry.getMetricsAsArray() as unknown as {
      name: string;
      labelNames?: string[];
    }[];
    return new Map(
      metrics.flatMap(({ name, labelNames = [] }) =>
        ['', '_bucket', '_sum', '_count'].map((suffix) => [name + suffix, labelNames] as const),
      ),
    );
  } finally {
    await app.close();
  }
}

describe('The dashboard for Grafana', () => {
  const dashboard: Dashboard = readDashboard(DASHBOARD);
  const queries = dashboard.panels.flatMap(({ targets }) => targets);
  let known: ReadonlyMap<string, readonly string[]>;
  beforeAll(async () => {
    known = await labelsOfMetrics();
  });

  it.each(queries.map(({ expr, legendFormat }) => [expr, legendFormat]))(
    'queries only existing metrics and labels: %s',
    (expr, legendFormat) => {
      const [name = 'none'] = /packetflix_\w+/.exec(expr) ?? [];
      expect([...known.keys()]).toContain(name);
      const grouped = /by \(([^)]*)\)/.exec(expr)?.[1]?.split(/,\s*/) ?? [];
      const chosen = [...expr.matchAll(/(\w+)=~?"/g)].map(([, label]) => label!);
      const shown = [...legendFormat.matchAll(/{{(\w+)}}/g)].map(([, label]) => label!);
      expect([...(known.get(name) ?? []), ...OF_PROMETHEUS]).toEqual(
        expect.arrayContaining([...grouped, ...chosen, ...shown]),
      );
    },
  );

  it('shows all metrics except those for detailed analysis', () => {
    const expressions = queries.map(({ expr }) => expr).join(' ');
    const families = [...known.keys()].filter((name) => !/_(bucket|sum|count)$/.test(name));
    const missing = families.filter((name) => !expressions.includes(name));
    expect(missing).toEqual([
      'packetflix_info',
      'packetflix_client_stalls_total',
      'packetflix_process_threads',
      'packetflix_engine_captures',
      'packetflix_ring_limit_bytes',
    ]);
  });

  it('has no panels that overlap', () => {
    const taken = new Set<string>();
    for (const { title, gridPos } of dashboard.panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(`${title} ${taken.has(`${x} ${y}`)}`).toBe(`${title} false`);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });

  it('matches its picture', () => {
    const picture = readFileSync(DASHBOARD.replace(/json$/, 'svg'), 'utf8');
    const titles = [...picture.matchAll(/font-weight="bold"[^>]*>([^<]*)</g)].map(([, title]) => title);
    // If this fails, run "npm run dashboard".
    expect(titles).toEqual(dashboard.panels.map(({ title }) => title));
  });
});
