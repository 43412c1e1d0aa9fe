import { jest } from '@jest/globals';
import type { SetMember } from '../../../shared/protocol/capture-spec.js';
import type { DirectoryEntry } from '../../discovery/target-directory.js';
import type { SetCapture } from '../capture-provider.js';
import { displayName, SetMembership, type SetMembershipOptions } from './set-membership.js';

function entry(name: string, netns: number, facts: Partial<DirectoryEntry> = {}): DirectoryEntry {
  return { name, prefix: '', type: 'docker', netns, pid: netns * 10, startTime: 1, interfaces: [], ...facts };
}

describe('SetMembership', () => {
  let members: SetMember[];
  let detached: string[];
  let comments: string[];
  const ended = Promise.withResolvers<never>();
  const capture = {
    attach: (all: readonly SetMember[]) => void members.push(...all),
    detach: (memberId: number, reason: string) => void detached.push(`${memberId} ${reason}`),
    comment: (text: string) => void comments.push(text),
    end: ended.promise,
  } as unknown as SetCapture;

  beforeEach(() => {
    jest.useFakeTimers();
    [members, detached, comments] = [[], [], []];
  });
  afterEach(() => jest.useRealTimers());

  function begin(options: Partial<SetMembershipOptions> = {}): SetMembership {
    const select = (entries: readonly DirectoryEntry[]) =>
      entries.filter(({ name }) => name.startsWith('web'));
    const set = new SetMembership({ node: 'here', select, maxMembers: 3, namesTargets: true, ...options });
    set.begin(capture);
    return set;
  }

  it('attaches what belongs to the set, once per namespace, with the name of the most trusted', () => {
    const set = begin();
    set.update([
      entry('web-b', 1, { prefix: 'evil' }),
      entry('web-c', 1, { pid: 11, type: 'proc' }),
      entry('web-a', 1, { pid: 12 }),
      entry('db', 2),
      entry('web-bound', 3, { pid: 0, startTime: 0, type: 'bindmount' }),
    ]);
    expect(members).toEqual([
      {
        id: 1,
        reference: { netns: 1, pid: 12, startTime: 1 },
        name: 'web-a',
        description: 'docker web-a, node here, network namespace 1, process 12',
      },
      {
        id: 2,
        reference: { netns: 3 },
        name: 'web-bound',
        description: 'bindmount web-bound, node here, network namespace 3',
      },
    ]);
    set.update([entry('web-a', 1, { pid: 12 }), entry('web-bound', 3, { pid: 0, startTime: 0 })]);
    expect(members).toHaveLength(2);
  });

  it('detaches what does not belong to it any more, unless it comes back soon', () => {
    const set = begin();
    set.update([entry('web-a', 1), entry('web-b', 2)]);
    set.update([]);
    jest.advanceTimersByTime(1_000);
    set.update([entry('web-b', 2)]);
    jest.advanceTimersByTime(10_000);
    expect(detached).toEqual(['1 it does not belong to the set any more']);
  });

  it('leaves out what the user may not capture, names it once, and detaches at once what he may not any more', () => {
    const set = begin({ user: 'alice' });
    const entries = [entry('web-a', 1), entry('web-b', 2), entry('web-c', 3), entry('db', 4)];
    const forbidden = new Set(['web-b']);
    const permits = ({ name }: DirectoryEntry) => (name === 'web-c' ? undefined : !forbidden.has(name));
    set.update(entries, permits);
    set.update(entries, permits);
    expect(members.map(({ name }) => name)).toEqual(['web-a']);
    expect(comments).toEqual(['left out, because alice may not capture from them: docker web-b']);
    forbidden.add('web-a');
    set.update(entries, permits);
    expect(detached).toEqual(['1 alice may not capture from it any more']);
    forbidden.clear();
    set.update(entries, permits);
    expect(members.map(({ name }) => name)).toEqual(['web-a', 'web-a', 'web-b']);
  });

  it('detaches the target that it began with when the user may not capture from it any more', () => {
    const first = { target: entry('web-a', 1), reference: { netns: 1, pid: 10, startTime: 1 } };
    const set = begin({ first, maxMembers: 1, namesTargets: false });
    set.update([entry('web-a', 1)], () => false);
    expect(detached).toEqual(['0 this user may not capture from it any more']);
  });

  it('attaches the next life of a target, whose namespace may have the same number', () => {
    const set = begin();
    set.update([entry('web', 1)]);
    set.onAttached(1);
    set.onLeft(1, 'target-ended', 'ended');
    set.update([entry('web', 1, { pid: 77, startTime: 5 })]);
    expect(members.map(({ id, reference }) => [id, reference.pid])).toEqual([
      [1, 10],
      [2, 77],
    ]);
    expect(comments).toEqual([]);
  });

  it('tries a target again that could not be captured from, less and less often, and says so once', () => {
    const set = begin();
    set.update([entry('web', 1)]);
    for (const waitMs of [500, 1_000, 2_000]) {
      const { length } = members;
      set.onLeft(length, 'not-permitted', 'denied');
      jest.advanceTimersByTime(waitMs - 100);
      expect(members).toHaveLength(length);
      jest.advanceTimersByTime(200);
      expect(members).toHaveLength(length + 1);
    }
    expect(comments).toEqual(['docker web: cannot be captured from: denied']);
  });

  it('leaves out what exceeds the maximum, says so, and takes it in when there is room', () => {
    const set = begin();
    const all = [1, 2, 3, 4, 5].map((netns) => entry(`web-${netns}`, netns));
    set.update(all);
    expect(members).toHaveLength(3);
    set.update(all.slice(1));
    jest.advanceTimersByTime(2_000);
    expect(members.map(({ name }) => name)).toEqual(['web-1', 'web-2', 'web-3', 'web-4']);
    set.update(all.slice(2));
    expect(comments).toEqual([
      '2 targets are left out: a set has at most 3 targets at the same time, --max-targets of the service',
      '1 target is left out: a set has at most 3 targets at the same time, --max-targets of the service',
      'no target is left out any more',
    ]);
  });

  it('tries each of several targets again at its time', () => {
    const set = begin();
    set.update([entry('web-a', 1), entry('web-b', 2)]);
    set.onLeft(1, 'not-permitted', 'denied');
    jest.advanceTimersByTime(400);
    set.onLeft(2, 'not-permitted', 'denied');
    jest.advanceTimersByTime(110);
    expect(members.map(({ name }) => name)).toEqual(['web-a', 'web-b', 'web-a']);
    jest.advanceTimersByTime(400);
    expect(members.map(({ name }) => name)).toEqual(['web-a', 'web-b', 'web-a', 'web-b']);
  });

  it('prefers targets without a prefix when there are too many', () => {
    const set = begin();
    const evil = [1, 2, 3].map((netns) => entry(`web-${netns}`, netns, { prefix: 'evil' }));
    set.update(evil);
    set.update([...evil, entry('web', 4)]);
    expect(members.map(({ name }) => name)).toEqual([
      'web-1 in evil',
      'web-2 in evil',
      'web-3 in evil',
      'web',
    ]);
    expect(detached).toEqual(['3 another target takes its place']);
  });

  it('names a namespace anew when the target that it was named after has left it', () => {
    const set = begin();
    const other = entry('web-b', 1, { pid: 11 });
    set.update([entry('web-a', 1), other]);
    set.update([other, entry('web-a', 2)]);
    expect(members.map(({ name, reference }) => [name, reference.netns])).toEqual([
      ['web-a', 1],
      ['web-b', 1],
      ['web-a', 2],
    ]);
    expect(detached).toEqual(['1 its network namespace belongs to docker web-b now']);
  });

  it('tells the new name of a target', () => {
    const set = begin();
    set.update([entry('web-a', 1)]);
    for (let i = 0; i < 2; i++) set.update([entry('web-b', 1)]);
    expect(comments).toEqual(['docker web-a: is now docker web-b']);
    expect(members).toHaveLength(1);
  });

  it('of one target begins with what was found, and takes the next one when the directory lists that alone', () => {
    const set = begin({
      maxMembers: 1,
      namesTargets: false,
      first: { target: { name: 'web', prefix: '', type: 'docker' }, reference: { netns: 1 } },
    });
    set.update([]);
    jest.advanceTimersByTime(10_000);
    expect(detached).toEqual([]);
    set.update([entry('web', 2)]);
    set.update([entry('web', 2), entry('web', 3)]);
    expect(members.map(({ id, name, reference }) => [id, name, reference.netns])).toEqual([[1, '', 2]]);
    expect(comments).toEqual([]);
  });
});

describe('The name of a target in a stream', () => {
  it('ends with its prefix, and has no control characters', () => {
    expect(displayName({ name: 'web', prefix: '' })).toBe('web');
    expect(displayName({ name: 'web in good', prefix: 'evil' })).toBe('web in good in evil');
    expect(displayName({ name: 'a\nb', prefix: '' })).toBe('a\ufffdb');
    expect([...displayName({ name: 'x'.repeat(5_000), prefix: '' })]).toHaveLength(128);
  });
});
