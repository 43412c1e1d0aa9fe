import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { PROJECT, run, say } from './project.mjs';
import { SetupError } from './setup-error.mjs';

const DIST = join(PROJECT, 'dist');
const STAMP = '.sources-sha256';
/** Everything that a build depends on. */
const SOURCES = ['src', 'tsconfig.json', 'tsconfig.build.json', 'vite.config.mjs', 'package-lock.json'];
/** Wireshark's dissectors for the page; without the package the page shows headers only. */
const DISSECTOR = join(PROJECT, 'node_modules/@goodtools/wiregasm');
const DISSECTOR_FILES = ['LICENSE', 'dist/wiregasm.js', 'dist/wiregasm.wasm.gz', 'dist/wiregasm.data.gz'];

/** Builds dist/ unless it was built from exactly these sources. */
export function ensureBuild() {
  if (isBuilt()) return;
  say('building dist/');
  build();
}

/**
 * Compiles into a temporary folder, which then replaces dist/. A running service therefore always finds a complete
 * dist/ when it restarts a process, and a failed build leaves the previous one in place.
 */
export function build() {
  // The hash is taken before compiling, so that files edited during that time count as not yet built.
  const stamp = hashSources();
  const fresh = `${DIST}.new-${process.pid}`;
  const old = `${DIST}.old-${process.pid}`;
  try {
    mkdirSync(fresh, { recursive: true });
    const compiler = join(PROJECT, 'node_modules/typescript/bin/tsc');
    const options = [
      '-p',
      'tsconfig.build.json',
      '--outDir',
      fresh,
      '--incremental',
      'false',
      '--tsBuildInfoFile',
      'null',
    ];
    if (!run(process.execPath, [compiler, ...options])) throw new SetupError('the build failed, see above');
    buildConsole(join(fresh, 'console'));
    writeFileSync(join(fresh, STAMP), stamp);
    if (existsSync(DIST)) renameSync(DIST, old);
    renameSync(fresh, DIST);
  } finally {
    for (const leftover of [fresh, old]) rmSync(leftover, { recursive: true, force: true });
  }
}

/** The page at /console/. The dissectors have another licence than this project, so they stay files of their own. */
function buildConsole(folder) {
  const vite = join(PROJECT, 'node_modules/vite/bin/vite.js');
  const options = ['build', '--outDir', folder, '--emptyOutDir', '--logLevel', 'warn'];
  if (!run(process.execPath, [vite, ...options])) throw new SetupError('the build failed, see above');
  if (!existsSync(DISSECTOR)) return;
  mkdirSync(join(folder, 'dissector'), { recursive: true });
  for (const file of DISSECTOR_FILES) {
    copyFileSync(join(DISSECTOR, file), join(folder, 'dissector', basename(file)));
  }
}

export function isBuilt() {
  try {
    return readFileSync(join(DIST, STAMP), 'utf8') === hashSources();
  } catch {
    return false;
  }
}

/** Hashes contents instead of comparing times, because a fresh clone or another branch changes the times. */
function hashSources() {
  const hash = createHash('sha256');
  for (const path of SOURCES.flatMap(filesIn).filter((file) => !file.endsWith('.spec.ts'))) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(PROJECT, path)))
      .update('\0');
  }
  return hash.digest('hex');
}

function filesIn(path) {
  const entries = readEntries(path);
  if (entries === undefined) return [path];
  const names = entries.map((entry) => entry.name).sort();
  return names.flatMap((name) => filesIn(`${path}/${name}`));
}

/** The entries of a folder, or undefined when the path is a file. */
function readEntries(path) {
  try {
    return readdirSync(join(PROJECT, path), { withFileTypes: true });
  } catch (error) {
    if (error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}
