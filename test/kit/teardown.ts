import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, run } from './run.js';

const REMOVAL_ATTEMPTS = 20;
const RETRY_INTERVAL_MS = 250;
/** The kernel writes blanks, tabs, line feeds and backslashes in octal: see proc_pid_mountinfo(5). */
const OCTAL_ESCAPE = /\\([0-7]{3})/g;
const MOUNT_POINT_FIELD = 4;

/**
 * Runs all steps in the given order. A step that fails is reported on standard error and the next one still runs: what a
 * test has left must not decide whether its assertions held.
 *
 * @param what completes the sentence "could not clean up ..."
 */
export async function teardown(what: string, ...steps: readonly (() => unknown)[]): Promise<void> {
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      reportTeardownFailure(what, error);
    }
  }
}

/** Not by console.error, whose stack of five lines would hide the message among Jest's output. */
function reportTeardownFailure(what: string, error: unknown): void {
  const cause = error instanceof Error && error.cause instanceof Error ? `\n  ${error.cause.message}` : '';
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`TEARDOWN: could not clean up ${what}: ${message}${cause}\n`);
}

/**
 * Removes a folder with everything in it: first unmounts what is mounted below it, and tries again while a process that
 * is just ending still uses a part of it (EBUSY, ENOTEMPTY).
 */
export async function removeFolder(folder: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    await unmountBelow(folder);
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if (attempt === REMOVAL_ATTEMPTS) throw error;
      await sleep(RETRY_INTERVAL_MS);
    }
  }
}

/** Lazily: a mount that is in use disappears from the tree at once and ends with its last user, see umount2(2). */
async function unmountBelow(folder: string): Promise<void> {
  for (const mountPoint of mountPointsBelow(folder)) {
    await run('umount', '--lazy', mountPoint).catch((error: unknown) => {
      // It may have gone together with the mount above it, or by the daemon that is just ending.
      if (!(error instanceof CommandError) || mountPointsBelow(folder).includes(mountPoint)) throw error;
    });
  }
}

/** The deepest first: the kernel lists mounts in the order in which they were made. */
function mountPointsBelow(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[MOUNT_POINT_FIELD] ?? '')
    .map((path) => path.replace(OCTAL_ESCAPE, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))))
    .filter((path) => path === folder || path.startsWith(`${folder}/`))
    .reverse();
}
