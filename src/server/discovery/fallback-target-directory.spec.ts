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
const LOST = new TargetDirectoryError('the built-in directory cannot be reached', { reason: 'unreachable' });

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

describeTargetDirectory('FallbackTargetDirectory, the first one gone', (entries) => ({
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
    ['takes what the first one knows', [WEB], [OTHER_WEB], false, [WEB]],
    ['believes the first one that there is none', [], [OTHER_WEB], false, []],
    ['asks the second one when the first cannot be reached', UNREACHABLE, [OTHER_WEB], false, [OTHER_WEB]],
    ['also when that was configured', UNREACHABLE, [OTHER_WEB], true, [OTHER_WEB]],
    ['tells nothing of a first one that nobody spoke of', UNREACHABLE, [], false, []],
    ['tells that a configured one failed if the second finds none', UNREACHABLE, [], true, UNREACHABLE],
    ['takes nonsense at the default address for nobody', NONSENSE, [OTHER_WEB], false, [OTHER_WEB]],
    ['tells of nonsense of a configured one', NONSENSE, [OTHER_WEB], true, NONSENSE],
    ['tells of the second when nobody has answered', UNREACHABLE, LOST, false, LOST],
    ['tells of the configured one when nobody has answered', UNREACHABLE, LOST, true, UNREACHABLE],
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

  it('does not ask the second one when the asker has gone', async () => {
    const second = new MemoryDirectory([]);
    const directory = new FallbackTargetDirectory(new MemoryDirectory([]), second, false);
    const reason = new Error('gone');
    await expect(directory.find('web', '', AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(second.asked).toBe(0);
  });
});
