/**
 * Opens a namespace several times as the engine does. Prints the median duration and the number of directories listed.
 * Node runs it without a compiler, so that only erasable types are allowed.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const TIMES = 5;

interface Holder {
  readonly kind: string;
}

interface Namespaces {
  readonly openNamespace: (
    procRoot: string,
    reference: object,
    holder?: Holder,
  ) => { fd: number; holder: Holder };
  readonly searchNamespaces: (
    procRoot: string,
    wanted: readonly number[],
    maxCpuMs: number,
  ) => { holder?: Holder }[];
}

const { readdirSync } = fs;
let listings = 0;
fs.readdirSync = ((...args: Parameters<typeof readdirSync>) => {
  listings += 1;
  return readdirSync(...args);
}) as typeof readdirSync;
syncBuiltinESMExports();

const path = new URL('../../../dist/shared/linux/namespaces.js', import.meta.url);
const { openNamespace, searchNamespaces } = (await import(path.href)) as Namespaces;
const reference = JSON.parse(process.argv[2] ?? '{}') as { netns: number };

function find(): { fd: number; holder: Holder } {
  try {
    return openNamespace('/proc', reference);
  } catch {
    // No process is in it.
    return openNamespace('/proc', reference, searchNamespaces('/proc', [reference.netns], 1_000)[0]?.holder);
  }
}

function open(): { ms: number; kind: string } {
  listings = 0;
  const begin = performance.now();
  const { fd, holder } = find();
  const ms = performance.now() - begin;
  fs.closeSync(fd);
  return { ms, kind: holder.kind };
}

const findings = Array.from({ length: TIMES }, open);
const times = findings.map(({ ms }) => ms).sort((a, b) => a - b);
console.log(JSON.stringify({ holder: findings[0]?.kind, medianMs: times[TIMES >> 1], listings }));
