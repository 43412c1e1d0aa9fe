import { readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CommandError, run } from './run.js';

const REMOVAL_ATTEMPTS = 20;
const RETRY_INTERVAL_MS = 250;
/** The kernel writes blanks, tabs, line feeds and backslashes in octal: see proc_pid_mountinfo(5). */
const OCTAL_ESCAPE = /\\([0-7]{3})/g;
const MOUNT_POINT_FIELD = 4;

/**
 * Runs all steps in order. A step that fails is reported on standard error and the next one still runs, because a
 * failed cleanup must not fail a test whose assertions hold.
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

/** Writes to standard error because Jest adds a stack trace to each `console.error`. */
function reportTeardownFailure(what: string, error: unknown): void {
  const cause = error instanceof Error && error.cause instanceof Error ? `\n  ${error.cause.message}` : '';
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`TEARDOWN: could not clean up ${what}: ${message}${cause}\n`);
}

/**
 * Unmounts everything below a folder and removes it. Retries while a process that is ending still uses a part of it
 * (EBUSY, ENOTEMPTY).
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

/** Unmounts lazily: a mount in use is detached at once and ends with its last user, see MNT_DETACH in umount2(2). */
async function unmountBelow(folder: string): Promise<void> {
  for (const mountPoint of mountPointsBelow(folder)) {
    await run('umount', '--lazy', mountPoint).catch((error: unknown) => {
      // The mount may have ended with the one above it, or the ending daemon may have removed it.
      if (!(error instanceof CommandError) || mountPointsBelow(folder).includes(mountPoint)) throw error;
    });
  }
}

/** Returns the deepest mounts first: the kernel lists mounts in the order in which they were made. */
function mountPointsBelow(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[MOUNT_POINT_FIELD] ?? '')
    .map((path) => path.replace(OCTAL_ESCAPE, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))))
    .filter((path) => path === folder || path.startsWith(`${folder}/`))
    .reverse();
}
