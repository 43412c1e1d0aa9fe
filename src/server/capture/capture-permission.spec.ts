import { Logger } from '@nestjs/common';
import { CaptureAccess, CaptureAccessError, textOf, type CaptureRight } from '../access/capture-access.js';
import type { AuthenticatedUser } from '../access/authenticated-user.js';
import {
  TargetDirectoryError,
  type DirectoryEntry,
  type TargetDirectory,
} from '../discovery/target-directory.js';
import { CapturePermission } from './capture-permission.js';
import type { ResolvedTarget } from './resolve/netns-resolver.js';

const ALICE = { name: 'alice' };
const WEB = pod('shop/web', 2, { pid: 20, startTime: 200 });
const VAULT = pod('bank/vault', 3);

class Access extends CaptureAccess {
  override readonly isRestricted = true;
  constructor(private readonly answer: (right: string) => boolean) {
    super();
  }
  // eslint-disable-next-line @typescript-eslint/require-await -- the port is asynchronous
  override async allows(_user: AuthenticatedUser | undefined, right: CaptureRight): Promise<boolean> {
    return this.answer(textOf(right));
  }
}

describe('CapturePermission', () => {
  const listing = (list: () => Promise<DirectoryEntry[]>) => ({ list }) as unknown as TargetDirectory;
  const listed = listing(() => Promise.resolve([WEB, VAULT]));
  const permit = (
    target: Partial<ResolvedTarget>,
    answer = (right: string) => right.endsWith(' shop'),
    directory = listed,
  ) =>
    new CapturePermission(directory, new Access(answer)).check(
      { netns: 2, prefix: '', type: '', nodeName: '', interfaces: [], ...target },
      ALICE,
      new AbortController().signal,
    );
  beforeAll(() => void Logger.overrideLogger(false));

  it('gives a namespace with the process by which it is known', async () => {
    expect(await permit({})).toMatchObject({
      target: { netns: 2, pid: 20, startTime: 200 },
      rights: [{ kind: 'pods', namespace: 'shop' }],
    });
    expect(await permit({ pid: 20 })).toMatchObject({ target: { pid: 20, startTime: 200 } });
  });

  it.each<[string, Partial<ResolvedTarget>]>([
    ['another process', { pid: 21 }],
    ['a process that has started at another time', { pid: 20, startTime: 201 }],
  ])('does not give it with %s, which may be in a namespace of that number by now', async (_, target) => {
    await expect(permit(target)).rejects.toMatchObject({ code: 'stale-reference' });
  });

  it('refuses a namespace that is not listed, unless the user may capture from nodes', async () => {
    await expect(permit({ netns: 9 })).rejects.toMatchObject({
      code: 'forbidden',
      message: 'alice may not create nodes/capture',
    });
    expect(await permit({ netns: 9, pid: 90 }, () => true)).toMatchObject({ target: { netns: 9, pid: 90 } });
  });

  it('refuses what the user may not capture, whatever he calls it', async () => {
    await expect(permit({ netns: 3, name: 'shop/web', type: 'pod' })).rejects.toMatchObject({
      code: 'forbidden',
      message: 'alice may not create pods/capture in namespace bank',
    });
  });

  it('fails when it cannot be found out', async () => {
    const noAnswer = (): never => {
      throw new CaptureAccessError('no answer');
    };
    await expect(permit({}, noAnswer)).rejects.toMatchObject({
      code: 'discovery-failed',
      message: 'no answer',
    });
    const failing = listing(() => Promise.reject(new TargetDirectoryError('no list')));
    await expect(permit({}, undefined, failing)).rejects.toMatchObject({
      code: 'discovery-failed',
      message: 'no list',
    });
  });
});

function pod(name: string, netns: number, facts: Partial<DirectoryEntry> = {}): DirectoryEntry {
  const known = { prefix: '', type: 'pod', pid: 30, startTime: 300, interfaces: [], hostNetwork: false };
  return { ...known, name, netns, ...facts };
}
