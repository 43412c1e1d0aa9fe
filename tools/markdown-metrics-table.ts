import type { Registry } from 'prom-client';

/** The table of metrics as docs/operating.md shows it; a test compares the two. */
export async function markdownMetricsTable(registry: Registry): Promise<string> {
  const metrics = registry.getMetricsAsArray() as unknown as readonly {
    readonly name: string;
    readonly labelNames?: readonly string[];
  }[];
  const told = new Map((await registry.getMetricsAsJSON()).map((metric) => [metric.name, metric]));
  const rows = metrics.map(({ name, labelNames = [] }) => {
    const { type, help } = told.get(name)!;
    return `| \`${name}\` | ${String(type)} | ${labelNames.map((label) => `\`${label}\``).join(', ')} | ${help} |`;
  });
  return ['| metric | type | labels | meaning |', '|---|---|---|---|', ...rows].join('\n');
}
