/** `npm run bench`: measures the cost of captures and compares it with dumpcap. See docs/performance.md. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { Bench } from './bench.js';
import { parseOptions, USAGE, UsageError, type BenchOptions, type ScenarioName } from './options.js';
import { asMarkdown, asText } from './report/table.js';
import { measureCaptures } from './scenarios/captures.js';
import { measureFirstByte } from './scenarios/first-byte.js';
import { measureLatency } from './scenarios/latency.js';
import { measureLoad } from './scenarios/load.js';
import { measureManyInterfaces } from './scenarios/many-interfaces.js';
import type { Scenario } from './scenarios/scenario.js';
import { measureStall } from './scenarios/stall.js';
import { measureStorm } from './scenarios/storm.js';

const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = {
  load: measureLoad,
  latency: measureLatency,
  'first-byte': measureFirstByte,
  captures: measureCaptures,
  stall: measureStall,
  'many-interfaces': measureManyInterfaces,
  storm: measureStorm,
};

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
    process.stderr.write('bench: network namespaces require root\n');
    process.exitCode = EXIT_FAILED;
    return;
  }
  const results: Record<string, unknown> = { environment: environment(options) };
  console.log(environment(options));
  await using bench = await Bench.create(options);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      bench.progress('interrupted: cleaning up');
      void bench[Symbol.asyncDispose]().finally(() => process.exit(EXIT_INTERRUPTED));
    });
  }
  for (const name of options.scenarios) {
    const findings = await SCENARIOS[name](bench);
    for (const table of findings.tables) console.log(options.markdown ? asMarkdown(table) : asText(table));
    results[name] = findings.data;
    savePictures(options.svg, findings.pictures ?? {});
  }
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results));
}

function savePictures(folder: string | undefined, pictures: Readonly<Record<string, string>>): void {
  if (folder === undefined) return;
  mkdirSync(folder, { recursive: true });
  for (const [name, picture] of Object.entries(pictures)) writeFileSync(join(folder, `${name}.svg`), picture);
}

/** Describes the machine and the settings. */
function environment({ rounds, seconds, generator }: BenchOptions): string {
  const [cpu] = cpus();
  return (
    `${new Date().toISOString().slice(0, 10)}, Linux ${release()}, ${cpus().length} × ${cpu?.model.trim()}, ` +
    `${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.versions.node}, load average ${loadavg()[0]?.toFixed(2)} ` +
    `at the start; ${rounds} rounds of ${seconds} s, generator: ${generator}`
  );
}
