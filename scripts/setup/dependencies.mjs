import { isDeepStrictEqual } from 'node:util';
import { machineEnvironment, readProjectJson, run, say } from './project.mjs';
import { SetupError } from './setup-error.mjs';

/** Installs the packages of package-lock.json, unless exactly these are installed already. */
export function ensureDependencies() {
  if (areDependenciesInstalled()) return;
  say('installing dependencies: npm ci');
  // Errors only, because npm would warn that the machine's Node.js is too old for some packages. Without --include=dev,
  // npm would omit the build's packages if NODE_ENV=production; Node.js itself is an optional package.
  const installed = run(
    'npm',
    ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'],
    machineEnvironment(),
  );
  if (!installed)
    throw new SetupError('"npm ci" failed, see above. Is npm installed, and is its registry reachable?');
}

/**
 * As the last step of an installation, npm writes a lock file to node_modules. It lists the installed packages and is absent
 * after an interrupted installation.
 */
function areDependenciesInstalled() {
  const wanted = readProjectJson('package-lock.json')?.packages;
  const installed = readProjectJson('node_modules/.package-lock.json')?.packages;
  if (wanted === undefined || installed === undefined) return false;
  return doesLockFitManifest(wanted['']) && isSame(wanted, installed);
}

/** If a manifest was edited by hand and no longer matches its lock file, `npm ci` runs and reports that. */
function doesLockFitManifest(locked) {
  const manifest = readProjectJson('package.json');
  return ['dependencies', 'devDependencies', 'optionalDependencies'].every((kind) =>
    isDeepStrictEqual(manifest[kind] ?? {}, locked[kind] ?? {}),
  );
}

function isSame(wanted, installed) {
  const wantedPaths = Object.keys(wanted).filter((path) => path !== '');
  const complete = wantedPaths.every((path) => {
    // Optional packages for other platforms are not installed.
    if (!(path in installed)) return wanted[path].optional === true;
    return (
      installed[path].version === wanted[path].version && installed[path].integrity === wanted[path].integrity
    );
  });
  return complete && Object.keys(installed).every((path) => path in wanted);
}
