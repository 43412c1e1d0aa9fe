/**
 * Opens a namespace several times as the engine does. Prints the median duration and the number of directories listed.
 * Node runs it without a compiler, so that only erasable types are allowed.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const TIMES = 5;

interface OpenNamespace {
  readonly openNamespace: (procRoot: string, reference: object) => { fd: number; holder: { kind: string } };
}

const { readdirSync } = fs;
let listings = 0;
fs.readdirSync = ((...args: Parameters<typeof readdirSync>) => {
  listings += 1;
  return readdirSync(...args);
}) as typeof readdirSync;
syncBuiltinESMExports();

const path = new URL('../../../dist/shared/linux/namespaces.js', import.meta.url);
const { openNamespace } = (await import(path.href)) as OpenNamespace;
const reference = JSON.parse(process.argv[2] ?? '{}') as object;

function open(): { ms: number; kind: string } {
  listings = 0;
  const begin = performance.now();
  const { fd, holder } = openNamespace('/proc', reference);
  const ms = performance.now() - begin;
  fs.closeSync(fd);
  return { ms, kind: holder.kind };
}

const findings = Array.from({ length: TIMES }, open);
const times = findings.map(({ ms }) => ms).sort((a, b) => a - b);
console.log(JSON.stringify({ holder: findings[0]?.kind, medianMs: times[TIMES >> 1], listings }));
