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

describeTargetDirectory('FallbackTargetDirectory', (entries) => ({
  directory: new FallbackTargetDirectory(new MemoryDirectory(entries), new MemoryDirectory(LOST)),
}));

describe('FallbackTargetDirectory', () => {
  it.each<
    [
      title: string,
      first: DirectoryEntry[] | Error,
      second: DirectoryEntry[] | Error,
      outcome: DirectoryEntry[] | Error,
    ]
  >([
    ['returns the entries of the first directory', [WEB], [OTHER_WEB], [WEB]],
    ['returns an empty list when the first directory finds none', [], [OTHER_WEB], []],
    ['asks the second directory when the first cannot be reached', UNREACHABLE, [OTHER_WEB], [OTHER_WEB]],
    [
      'reports that the first directory is unreachable if the second finds none',
      UNREACHABLE,
      [],
      UNREACHABLE,
    ],
    ['reports an unusable answer of the first directory', NONSENSE, [OTHER_WEB], NONSENSE],
    ['reports the failure of the first directory when both fail', UNREACHABLE, LOST, UNREACHABLE],
  ])('%s', async (_, first, second, outcome) => {
    const directory = new FallbackTargetDirectory(new MemoryDirectory(first), new MemoryDirectory(second));
    for (const answer of [() => directory.find('web', ''), () => directory.list()]) {
      await (outcome instanceof Error
        ? expect(answer()).rejects.toBe(outcome)
        : expect(answer()).resolves.toEqual(outcome));
    }
  });

  it('does not query the second directory when the caller has aborted', async () => {
    const second = new MemoryDirectory([]);
    const directory = new FallbackTargetDirectory(new MemoryDirectory([]), second);
    const reason = new Error('gone');
    await expect(directory.find('web', '', AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(second.asked).toBe(0);
  });
});
