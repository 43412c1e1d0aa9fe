/** `npm run bench`: what captures cost, measured side by side in one run. See docs/performance.md. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Bench } from './bench.js';
import { parseOptions, USAGE, UsageError, type BenchOptions } from './options.js';
import { environment } from './report/environment.js';
import { asMarkdown, asText } from './report/table.js';
import { SCENARIOS } from './scenarios/catalogue.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === 'help') process.stdout.write(USAGE);
  else await measure(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`bench: ${error.message}\n\n${USAGE}`);
  process.exitCode = EXIT_USAGE;
}

async function measure(options: BenchOptions): Promise<void> {
  if (process.getuid?.() !== 0) {
    process.stderr.write('bench: only root may make network namespaces: run it as root\n');
    process.exitCode = EXIT_FAILED;
    return;
  }
  const found: Record<string, unknown> = { environment: environment(options) };
  console.log(environment(options));
  await using bench = await Bench.create(options);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      bench.progress('interrupted: removing what was made');
      void bench[Symbol.asyncDispose]().finally(() => process.exit(EXIT_INTERRUPTED));
    });
  }
  for (const name of options.scenarios) {
    const findings = await SCENARIOS[name](bench);
    for (const table of findings.tables) console.log(options.markdown ? asMarkdown(table) : asText(table));
    found[name] = findings.data;
    savePictures(options.svg, findings.pictures ?? {});
  }
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(found));
}

function savePictures(folder: string | undefined, pictures: Readonly<Record<string, string>>): void {
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  for (const [name, picture] of Object.entries(pictures)) writeFileSync(join(folder, `${name}.svg`), picture);
}
