import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** Not among Node's constants: open(2). */
const O_PATH = 0o10000000;
/** A bundle's configuration has some 10 kB. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Reads a small file in a folder that may be a container's. What its owner has put there instead (a pipe that
 * would block us, a device that notices to be opened) is only looked at, by O_PATH, which has no side effects.
 *
 * @returns undefined when there is no such ordinary file
 */
export function readForeignFile(path: string): string | undefined {
  let place: number | undefined;
  try {
    place = openSync(path, O_PATH | constants.O_NOFOLLOW);
    const stats = fstatSync(place);
    if (!stats.isFile() || stats.size > MAX_BYTES) return undefined;
    return readFileSync(`/proc/self/fd/${place}`, 'utf8');
  } catch {
    return undefined;
  } finally {
    if (place !== undefined) closeSync(place);
  }
}
