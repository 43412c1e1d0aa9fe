import { describe, expect, it } from '@jest/globals';
import { describeTargetDirectory } from '../../../test/contracts/target-directory.contract.js';
import { FallbackTargetDirectory } from './fallback-target-directory.js';
import { isNamed, TargetDirectory, TargetDirectoryError, type DirectoryEntry } from './target-directory.js';

class MemoryDirectory extends TargetDirectory {
  asked = 0;

  constructor(private readonly answer: readonly DirectoryEntry[] | Error) {
    super();
  }

  override async find(name: string, prefix: string, signal?: AbortSignal) {
    return (await this.list(signal)).filter((entry) => isNamed(entry, name, prefix));
  }

  override list(signal?: AbortSignal): Promise<DirectoryEntry[]> {
    this.asked += 1;
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    return this.answer instanceof Error ? Promise.reject(this.answer) : Promise.resolve([...this.answer]);
  }
}

const UNREACHABLE = new TargetDirectoryError('GhostWire cannot be reached', { reason: 'unreachable' });
const NONSENSE = new TargetDirectoryError("GhostWire's answer is not JSON");
const LOST = new TargetDirectoryError('the discoverer cannot be reached', { reason: 'unreachable' });

const entry = (name: string, netns: number): DirectoryEntry => ({
  name,
  prefix: '',
  type: 'docker',
  netns,
  pid: 0,
  startTime: 0,
  interfaces: [],
});
const WEB = entry('web', 1);
const OTHER_WEB = entry('web', 2);

describeTargetDirectory('FallbackTargetDirectory whose first directory is unreachable', (entries) => ({
  directory: new FallbackTargetDirectory(
    new MemoryDirectory(UNREACHABLE),
    new MemoryDirectory(entries),
    false,
  ),
}));

describe('FallbackTargetDirectory', () => {
  it.each<
    [
      title: string,
      first: DirectoryEntry[] | Error,
      second: DirectoryEntry[] | Error,
      configured: boolean,
      outcome: DirectoryEntry[] | Error,
    ]
  >([
    ['returns the entries of the first directory', [WEB], [OTHER_WEB], false, [WEB]],
    ['returns an empty list when the first directory finds none', [], [OTHER_WEB], false, []],
    [
      'asks the second directory when the first cannot be reached',
      UNREACHABLE,
      [OTHER_WEB],
      false,
      [OTHER_WEB],
    ],
    [
      'asks the second directory when a configured first one cannot be reached',
      UNREACHABLE,
      [OTHER_WEB],
      true,
      [OTHER_WEB],
    ],
    [
      'does not report that a first directory that is not configured is unreachable',
      UNREACHABLE,
      [],
      false,
      [],
    ],
    [
      'reports that a configured first directory is unreachable if the second finds none',
      UNREACHABLE,
      [],
      true,
      UNREACHABLE,
    ],
    [
      'treats an unusable answer at the default address as no directory',
      NONSENSE,
      [OTHER_WEB],
      false,
      [OTHER_WEB],
    ],
    ['reports an unusable answer of a configured first directory', NONSENSE, [OTHER_WEB], true, NONSENSE],
    ['reports the failure of the second directory when both fail', UNREACHABLE, LOST, false, LOST],
    [
      'reports the failure of a configured first directory when both fail',
      UNREACHABLE,
      LOST,
      true,
      UNREACHABLE,
    ],
  ])('%s', async (_, first, second, configured, outcome) => {
    const directory = new FallbackTargetDirectory(
      new MemoryDirectory(first),
      new MemoryDirectory(second),
      configured,
    );
    for (const answer of [() => directory.find('web', ''), () => directory.list()]) {
      await (outcome instanceof Error
        ? expect(answer()).rejects.toBe(outcome)
        : expect(answer()).resolves.toEqual(outcome));
    }
  });

  it('does not query the second directory when the caller has aborted', async () => {
    const second = new MemoryDirectory([]);
    const directory = new FallbackTargetDirectory(new MemoryDirectory([]), second, false);
    const reason = new Error('gone');
    await expect(directory.find('web', '', AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(second.asked).toBe(0);
  });
});
