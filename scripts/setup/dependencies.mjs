import { isDeepStrictEqual } from 'node:util';
import { machineEnvironment, readProjectJson, run, say } from './project.mjs';
import { SetupError } from './setup-error.mjs';

/** Installs what package-lock.json names, unless exactly that is there already. */
export function ensureDependencies() {
  if (areDependenciesInstalled()) return;
  say('installing dependencies: npm ci');
  // Errors only: that the machine's older Node.js is not what the packages want is no news. Without
  // --include=dev an environment with NODE_ENV=production would leave out what the build needs.
  const installed = run(
    'npm',
    ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
    machineEnvironment(),
  );
  if (!installed)
    throw new SetupError('"npm ci" failed, see above. Is npm installed, and its registry reachable?');
}

/**
 * npm leaves a copy of the lock in node_modules, as the last step of an installation: it tells what is there, no
 * matter whether `npm ci`, `npm install` or we put it there, and is absent after one that was interrupted.
 */
function areDependenciesInstalled() {
  const wanted = readProjectJson('package-lock.json')?.packages;
  const installed = readProjectJson('node_modules/.package-lock.json')?.packages;
  if (wanted === undefined || installed === undefined) return false;
  return doesLockFitManifest(wanted['']) && isSame(wanted, installed);
}

/** A manifest that was edited by hand no longer fits its lock: let npm say what is wrong. */
function doesLockFitManifest(locked) {
  const manifest = readProjectJson('package.json');
  return ['dependencies', 'devDependencies', 'optionalDependencies'].every((kind) =>
    isDeepStrictEqual(manifest[kind] ?? {}, locked[kind] ?? {}),
  );
}

function isSame(wanted, installed) {
  const wantedPaths = Object.keys(wanted).filter((path) => path !== '');
  const complete = wantedPaths.every((path) => {
    // Optional packages may be left out: they are for other platforms.
    if (!(path in installed)) return wanted[path].optional === true;
    return (
      installed[path].version === wanted[path].version && installed[path].integrity === wanted[path].integrity
    );
  });
  return complete && Object.keys(installed).every((path) => path in wanted);
}
