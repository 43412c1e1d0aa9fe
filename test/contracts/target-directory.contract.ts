import { describe, expect, it } from '@jest/globals';
import type { DirectoryEntry, TargetDirectory } from '../../src/server/discovery/target-directory.js';

/** A directory to test. */
export interface TargetDirectorySubject {
  readonly directory: TargetDirectory;
  /** Called after each test. */
  dispose?(): void | Promise<void>;
}

/**
 * The contract of TargetDirectory, as a test suite for any implementation.
 *
 * @param makeSubject makes a directory that lists these entries, and no others with the same names
 */
export function describeTargetDirectory(
  title: string,
  makeSubject: (
    entries: readonly DirectoryEntry[],
  ) => TargetDirectorySubject | Promise<TargetDirectorySubject>,
): void {
  const itHolds = (behaviour: string, test: (directory: TargetDirectory) => Promise<void>) =>
    it(behaviour, async () => {
      const subject = await makeSubject(ENTRIES);
      try {
        await test(subject.directory);
      } finally {
        await subject.dispose?.();
      }
    });

  describe(`${title}, as a TargetDirectory`, () => {
    itHolds('lists all entries', async (directory) => {
      expect(await directory.list()).toEqual(expect.arrayContaining([...ENTRIES]));
    });

    itHolds('finds by name and prefix', async (directory) => {
      expect(await directory.find('web', '')).toEqual([WEB]);
      expect(await directory.find('web', 'dind')).toEqual([DIND_WEB]);
    });

    itHolds('finds pods by name alone', async (directory) => {
      expect(await directory.find('default/web', '')).toEqual([POD]);
      expect(await directory.find('default/web', 'kind-worker')).toEqual([POD]);
    });

    itHolds('finds all entries with the same name', async (directory) => {
      const found = await directory.find('twin', '');
      expect(found).toHaveLength(2);
      expect(found).toEqual(expect.arrayContaining([...TWINS]));
    });

    itHolds('finds bind mounts, which have no process', async (directory) => {
      expect(await directory.find(BIND_MOUNT.name, '')).toEqual([BIND_MOUNT]);
    });

    itHolds('compares names literally', async (directory) => {
      for (const name of ['', 'we', 'WEB', 'web ', '.*', 'web\0', '__proto__', 'x'.repeat(100_000)]) {
        expect(await directory.find(name, '')).toEqual([]);
      }
      expect(await directory.find('web', 'other')).toEqual([]);
    });

    itHolds('answers concurrent calls, some of which need a fresh answer', async (directory) => {
      const answers = await Promise.all([
        directory.find('web', ''),
        directory.find('web', '', undefined, { fresh: true }),
        directory.find('web', '', undefined, { fresh: true }),
      ]);
      expect(answers).toEqual([[WEB], [WEB], [WEB]]);
    });

    itHolds('returns a separate list to each caller', async (directory) => {
      const [one, other] = await Promise.all([directory.list(), directory.list()]);
      one.length = 0;
      expect(other).toEqual(expect.arrayContaining([...ENTRIES]));
    });

    itHolds('rejects with the reason of an aborted signal', async (directory) => {
      const reason = new Error('the client has disconnected');
      const signal = AbortSignal.abort(reason);
      await expect(directory.find('web', '', signal)).rejects.toBe(reason);
      await expect(directory.list(signal)).rejects.toBe(reason);
    });

    itHolds('answers other callers when one aborts', async (directory) => {
      const abort = new AbortController();
      const aborted = directory.find('web', '', abort.signal).catch((error: unknown) => error);
      const other = directory.find('web', '');
      abort.abort();
      await aborted;
      expect(await other).toEqual([WEB]);
    });
  });
}

const WEB = entry({ name: 'web', netns: 4026530001, pid: 101, startTime: 1001, interfaces: ['lo', 'eth0'] });
const DIND_WEB = entry({ name: 'web', prefix: 'dind', netns: 4026530002, pid: 102, startTime: 1002 });
const POD = entry({ name: 'default/web', type: 'pod', netns: 4026530003, pid: 103, startTime: 1003 });
const TWINS = [
  entry({ name: 'twin', netns: 4026530004, pid: 104, startTime: 1004 }),
  entry({ name: 'twin', type: 'podman', netns: 4026530005, pid: 105, startTime: 1005 }),
];
const BIND_MOUNT = entry({ name: '/run/a:/run/netns/b', type: 'bindmount', netns: 4026530006 });
const ENTRIES = [WEB, DIND_WEB, POD, ...TWINS, BIND_MOUNT];

function entry(facts: Partial<DirectoryEntry>): DirectoryEntry {
  return { name: '', prefix: '', type: 'docker', netns: 0, pid: 0, startTime: 0, interfaces: [], ...facts };
}
