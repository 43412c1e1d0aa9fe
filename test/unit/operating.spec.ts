import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { AppModule } from '../../src/server/app.module.js';
import { parseCommandLine } from '../../src/shared/config/parse-command-line.js';
import { createApplication } from '../../src/server/server.js';
import { markdownMetricsTable } from '../../tools/markdown-metrics-table.js';
import { ServiceMetrics } from '../../src/server/operations/service-metrics.js';

const OPERATING = readFileSync(resolve(import.meta.dirname, '../../docs/operating.md'), 'utf8');

describe('docs/operating.md', () => {
  it('has all metrics of the service', async () => {
    const parsed = parseCommandLine([], {});
    if (parsed.kind !== 'options') throw new Error(`no options: ${parsed.kind}`);
    const app = await createApplication(AppModule.register(parsed.options), parsed.options);
    await app.init();
    try {
      const table = /^<!-- metrics -->\n\n([^]*?)\n\n<!-- \/metrics -->$/m.exec(OPERATING)?.[1];
      // When this fails: copy what was expected.
      expect(table).toBe(await markdownMetricsTable(app.get(ServiceMetrics, { strict: false }).registry));
    } finally {
      await app.close();
    }
  });
});
