import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { AuthenticatedUser } from '../access/authenticated-user.js';
import { CaptureAccess, CaptureAccessError, textOf, type CaptureRight } from '../access/capture-access.js';
import type { LiveTargets, TargetsListener } from './live-targets.js';
import { PermittedTargets, type Permits } from './permitted-targets.js';
import type { DirectoryEntry } from './target-directory.js';

const ALICE = { name: 'alice' };
const [WEB, VAULT] = [pod('shop/web', 2), pod('bank/vault', 3)];

class Access extends CaptureAccess {
  override readonly isRestricted = true;
  readonly asked: string[] = [];
  readonly allowed = new Set(['pods/capture in namespace shop']);
  fails = false;

  override allows(_user: AuthenticatedUser | undefined, right: CaptureRight): Promise<boolean> {
    this.asked.push(textOf(right));
    if (this.fails) return Promise.reject(new CaptureAccessError('no answer'));
    return Promise.resolve(this.allowed.has(textOf(right)));
  }
}

describe('PermittedTargets', () => {
  let access: Access;
  let publish: TargetsListener;
  let permitted: PermittedTargets;
  let lists: [string, boolean | undefined][][];
  let end: () => void;
  const listener = (entries: readonly DirectoryEntry[], permits: Permits): void => {
    lists.push(entries.map((entry) => [entry.name, permits(entry)]));
  };
  const after = (ms: number) => jest.advanceTimersByTimeAsync(ms);

  beforeEach(() => {
    Logger.overrideLogger(false);
    jest.useFakeTimers();
    access = new Access();
    const live = {
      subscribe: (subscriber: TargetsListener) => {
        publish = subscriber;
        return () => undefined;
      },
    } as unknown as LiveTargets;
    permitted = new PermittedTargets(live, access);
    lists = [];
    end = () => undefined;
  });
  afterEach(() => {
    end();
    jest.useRealTimers();
  });

  it('are those of whose rights the user has all', async () => {
    expect(await permitted.of(ALICE, [WEB, VAULT])).toEqual([WEB]);
    access.fails = true;
    await expect(permitted.of(ALICE, [WEB])).rejects.toThrow('no answer');
  });

  it('are told with each change of the targets and of the rights, and asked for only where they matter', async () => {
    end = permitted.subscribe(ALICE, listener, (entries) => entries.filter(({ name }) => name !== 'a/b'));
    publish([WEB, VAULT, pod('a/b', 4)]);
    await after(0);
    expect(lists).toEqual([
      [
        ['shop/web', true],
        ['bank/vault', false],
        ['a/b', undefined],
      ],
    ]);
    expect(access.asked).toHaveLength(2);
    access.allowed.clear();
    await after(15_000);
    expect(lists.at(-1)?.[0]).toEqual(['shop/web', false]);
  });

  it('stay for 5 minutes without an answer, while nothing new is permitted', async () => {
    end = permitted.subscribe(ALICE, listener);
    publish([WEB]);
    await after(0);
    access.fails = true;
    publish([WEB, VAULT]);
    await after(200_000);
    expect(lists.at(-1)).toEqual([
      ['shop/web', true],
      ['bank/vault', undefined],
    ]);
    await after(120_000);
    expect(lists.at(-1)?.[0]).toEqual(['shop/web', false]);
    access.fails = false;
    await after(3_000);
    expect(lists.at(-1)).toEqual([
      ['shop/web', true],
      ['bank/vault', false],
    ]);
  });

  it('are no longer asked for after the end of the subscription', async () => {
    permitted.subscribe(ALICE, listener)();
    publish([WEB]);
    await after(60_000);
    expect(lists).toEqual([]);
  });

  it('are watched for what runs', async () => {
    const onRefused = jest.fn();
    end = permitted.keepAsking(ALICE, [{ kind: 'pods', namespace: 'shop' }], onRefused);
    await after(60_000);
    expect(onRefused).not.toHaveBeenCalled();
    access.allowed.clear();
    await after(15_000);
    await after(30_000);
    expect(onRefused).toHaveBeenCalledTimes(1);
  });

  it('count for 5 minutes in what runs, also when they have never been confirmed since it began', async () => {
    const onRefused = jest.fn();
    access.fails = true;
    end = permitted.keepAsking(ALICE, [{ kind: 'pods', namespace: 'shop' }], onRefused);
    await after(290_000);
    expect(onRefused).not.toHaveBeenCalled();
    await after(30_000);
    expect(onRefused).toHaveBeenCalledTimes(1);
  });
});

function pod(name: string, netns: number): DirectoryEntry {
  return {
    name,
    prefix: '',
    type: 'pod',
    netns,
    pid: netns,
    startTime: 1,
    interfaces: [],
    hostNetwork: false,
  };
}
