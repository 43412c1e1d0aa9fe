// npm run docs: writes the tables of options, request parameters and metrics into the documents, between their markers,
// for example <!-- options --> and <!-- /options -->. With --check it changes nothing and fails if a table is outdated.
// It reads the built service in dist/.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const PROJECT = resolve(import.meta.dirname, '..');
const check = process.argv.includes('--check');

const tables = {
  options: await optionTable(),
  parameters: await parameterTable(),
  metrics: await metricsTable(),
};
const found = new Set();
const outdated = documents().filter((path) => !update(path));
const missing = Object.keys(tables).filter((name) => !found.has(name));

if (missing.length > 0) fail(`no document has the markers of: ${missing.join(', ')}`);
if (outdated.length > 0 && check) fail(`outdated, run "npm run docs": ${outdated.map(shown).join(', ')}`);
for (const path of outdated) console.log(`${shown(path)} updated`);
process.exit(0);

function documents() {
  const docs = join(PROJECT, 'docs');
  const inDocs = readdirSync(docs, { recursive: true }).filter((name) => name.endsWith('.md'));
  return [join(PROJECT, 'README.md'), ...inDocs.map((name) => join(docs, name))];
}

/** Writes the current tables, unless only checking. Returns whether the document had them already. */
function update(path) {
  const text = readFileSync(path, 'utf8');
  let updated = text;
  for (const [name, table] of Object.entries(tables)) {
    const between = new RegExp(`(^<!-- ${name} -->\\n)[^]*?(^<!-- /${name} -->$)`, 'm');
    if (!between.test(updated)) continue;
    found.add(name);
    updated = updated.replace(between, (_, start, end) => `${start}\n${table}\n\n${end}`);
  }
  if (updated !== text && !check) writeFileSync(path, updated);
  return updated === text;
}

async function optionTable() {
  const { OPTION_TABLE } = await built('shared/config/option-table.js');
  const rows = OPTION_TABLE.map((option) => {
    const { flag, short, value, variable, type, defaultValue, defaultInWords, description } = option;
    const long = `\`${flag}${value === undefined ? '' : ` <${value}>`}\``;
    const flags = short === undefined ? long : `\`${short}\`, ${long}`;
    const standard = defaultInWords ?? (type.kind === 'switch' ? 'off' : `\`${defaultValue}\``);
    return [flags, `\`${variable}\``, standard, description];
  });
  return markdownTable(['flag', 'variable', 'default', 'meaning'], rows);
}

async function parameterTable() {
  const { REQUEST_PARAMETERS } = await built('server/capture/request/request-parameters.js');
  const rows = Object.entries(REQUEST_PARAMETERS).map(([name, { header, meaning }]) => [
    `\`${name}\``,
    header === undefined ? '' : `\`${header}\``,
    meaning,
  ]);
  return markdownTable(['query', 'header', 'meaning'], rows);
}

/** The metrics of the whole application, which is initialized but does not listen. */
async function metricsTable() {
  await import('reflect-metadata');
  const { parseCommandLine } = await built('shared/config/parse-command-line.js');
  const { AppModule } = await built('server/app.module.js');
  const { createApplication } = await built('server/server.js');
  const { ServiceMetrics } = await built('server/operations/service-metrics.js');
  const { options } = parseCommandLine(['--operator-port', 'off'], {});
  const app = await createApplication(AppModule.forRoot(options), options);
  await app.init();
  const { registry } = app.get(ServiceMetrics, { strict: false });
  const described = new Map((await registry.getMetricsAsJSON()).map((metric) => [metric.name, metric]));
  const rows = registry.getMetricsAsArray().map(({ name, labelNames = [] }) => {
    const { type, help } = described.get(name);
    return [`\`${name}\``, String(type), labelNames.map((label) => `\`${label}\``).join(', '), help];
  });
  await app.close();
  return markdownTable(['metric', 'type', 'labels', 'meaning'], rows);
}

function markdownTable(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |');
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

function built(path) {
  return import(pathToFileURL(join(PROJECT, 'dist', path)).href);
}

function shown(path) {
  return relative(PROJECT, path);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
