import { join } from 'node:path';
import { outputOf, PROJECT, readProjectJson, say } from './project.mjs';
import { SetupError } from './setup-error.mjs';

const OLDEST_MACHINE_NODE = 20;

/** Checks that the Node.js that runs this script is new enough for npm and the scripts. */
export function ensureMachineNode() {
  const [major] = parseVersion(process.version);
  if (major >= OLDEST_MACHINE_NODE) return;
  throw new SetupError(
    `these scripts need Node.js ${OLDEST_MACHINE_NODE} or newer, this is ${process.version}: ` +
      'see https://nodejs.org/en/download',
  );
}

/**
 * The Node.js that runs the service is a package of its own per platform, and as such optional. If npm omits optional
 * packages, it is silently missing, and the shell finds the Node.js of the machine instead.
 */
export function ensureProjectNode() {
  const range = readProjectJson('package.json').engines.node;
  const version = outputOf(join(PROJECT, 'node_modules/.bin/node'), ['--version']);
  if (version !== undefined && satisfies(version, range)) return;
  const found =
    version === undefined
      ? "the project's own Node.js (node_modules/.bin/node) does not run"
      : `the project's own Node.js is ${version}, but must be ${range}`;
  // The shell then finds the next `node` in PATH, which is the one that runs this script.
  if (version === undefined && satisfies(process.version, range)) {
    say(`${found}; using ${process.version} of the machine instead`);
    return;
  }
  throw new SetupError(
    `${found}. Is npm configured to omit optional packages ("npm config get omit"), or is this machine neither x64 ` +
      `nor arm64? Run "npm ci --include=dev --include=optional", or use Node.js ${range}.`,
  );
}

/** Whether a version is in a range like "^22.21.1 || >=24.9.0": only these two operators, as in package.json. */
export function satisfies(version, range) {
  return range.split('||').some((alternative) => {
    const [, operator, lowest] = /^\s*(\^|>=)(\d+\.\d+\.\d+)\s*$/.exec(alternative) ?? [];
    if (lowest === undefined) throw new Error(`cannot read the version range "${range}"`);
    const [actual, least] = [parseVersion(version), parseVersion(lowest)];
    return compare(actual, least) >= 0 && (operator === '>=' || actual[0] === least[0]);
  });
}

function parseVersion(text) {
  return text.replace(/^v/, '').split('.', 3).map(Number.parseFloat);
}

function compare(left, right) {
  const index = left.findIndex((part, position) => part !== right[position]);
  return index === -1 ? 0 : left[index] - right[index];
}
