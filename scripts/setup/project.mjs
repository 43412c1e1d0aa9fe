import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

/** The top folder of this project. */
export const PROJECT = resolve(import.meta.dirname, '../..');

/** Reads a JSON file of the project; undefined when there is none or when it is broken. */
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

/** What `file args` prints, or undefined when it cannot be run or fails. */
export function outputOf(file, args) {
  const { status, stdout } = spawnSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return status === 0 ? stdout.trim() : undefined;
}

/**
 * The environment with the machine's own programs: npm puts node_modules/.bin in front, whose `node` must not
 * be what runs `npm ci`, because `npm ci` removes it.
 */
export function machineEnvironment() {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return {
    ...process.env,
    PATH: folders.filter((folder) => !folder.endsWith('node_modules/.bin')).join(delimiter),
  };
}
