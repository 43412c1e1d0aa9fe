import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

/** The root folder of this project. */
export const PROJECT = resolve(import.meta.dirname, '../..');

/** Reads a JSON file of the project; undefined if it does not exist or is not valid JSON. */
export function readProjectJson(...path) {
  try {
    return JSON.parse(readFileSync(join(PROJECT, ...path), 'utf8'));
  } catch {
    return undefined;
  }
}

export function say(message) {
  console.error(`setup: ${message}`);
}

/** Runs a program in the project's folder with all its output on standard error; returns whether it succeeded. */
export function run(file, args, environment = process.env) {
  const { status } = spawnSync(file, args, { cwd: PROJECT, env: environment, stdio: ['ignore', 2, 2] });
  return status === 0;
}

/** The output of `file args`, or undefined if it cannot be run or fails. */
export function outputOf(file, args) {
  const { status, stdout } = spawnSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return status === 0 ? stdout.trim() : undefined;
}

/**
 * The environment without node_modules/.bin, which npm prepends to PATH: its `node` must not run `npm ci`, because
 * `npm ci` removes it.
 */
export function machineEnvironment() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return {
    ...process.env,
    PATH: folders.filter((folder) => !folder.endsWith('node_modules/.bin')).join(delimiter),
  };
}
