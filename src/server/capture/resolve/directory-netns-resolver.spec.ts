import { describe, expect, it } from '@jest/globals';
import { describeNetnsResolver } from '../../../../test/contracts/netns-resolver.contract.js';
import {
  isNamed,
  TargetDirectory,
  TargetDirectoryError,
  type DirectoryEntry,
  type FindOptions,
} from '../../discovery/target-directory.js';
import type { NetnsReference } from '../../../shared/protocol/capture-spec.js';
import { CaptureError } from '../../../shared/protocol/capture-error.js';
import type { CaptureTarget } from '../request/capture-request.js';
import { DirectoryNetnsResolver } from './directory-netns-resolver.js';

/** Answers the first call with the first list, the second one with the second list, and so on. */
class MemoryDirectory extends TargetDirectory {
  readonly questions: (FindOptions & { name: string; prefix: string })[] = [];
  readonly #lists: DirectoryEntry[][];

  constructor(...lists: DirectoryEntry[][]) {
    super();
    this.#lists = lists;
  }

  override async find(name: string, prefix: string, signal?: AbortSignal, options?: FindOptions) {
    signal?.throwIfAborted();
    this.questions.push({ name, prefix, ...options });
    const entries = this.#lists[Math.min(this.questions.length, this.#lists.length) - 1] ?? [];
    return Promise.resolve(entries.filter((entry) => isNamed(entry, name, prefix)));
  }

  override list() {
    return Promise.resolve(this.#lists.flat());
  }
}

class BrokenDirectory extends TargetDirectory {
  constructor(private readonly error: Error) {
    super();
  }

  override find = () => Promise.reject(this.error);
  override list = () => Promise.reject(this.error);
}

const NEVER = new AbortController().signal;
const CLIENT: CaptureTarget = { prefix: '', type: '', nodeName: 'node-1', interfaces: ['eth7'] };

function entry(facts: Partial<DirectoryEntry>): DirectoryEntry {
  const defaults = { name: 'web', prefix: '', type: 'docker', pid: 0, startTime: 0, interfaces: ['lo'] };
  return { netns: 100, ...defaults, ...facts };
}

/** All candidates, as if each proved stale, and the error at the end if there is one. */
async function walk(directory: TargetDirectory, target: Partial<CaptureTarget>) {
  const references: NetnsReference[] = [];
  const targets: CaptureTarget[] = [];
  let error: unknown;
  try {
    for await (const candidate of new DirectoryNetnsResolver(directory).candidates(
      { ...CLIENT, ...target },
      NEVER,
    )) {
      const { netns, pid, startTime } = candidate;
      references.push({ netns, ...(pid && { pid }), ...(startTime && { startTime }) });
      targets.push(candidate);
    }
  } catch (reason) {
    error = reason;
  }
  return { references, targets, error: error as CaptureError | undefined };
}

describeNetnsResolver('DirectoryNetnsResolver', (known) => ({
  resolver: new DirectoryNetnsResolver(new MemoryDirectory([known])),
}));

describe('DirectoryNetnsResolver', () => {
  const found = entry({ netns: 200, pid: 20, startTime: 2000 });
  const looked = { netns: 200, pid: 20, startTime: 2000 };

  it.each<[title: string, given: Partial<CaptureTarget>, tried: NetnsReference[]]>([
    ['netns alone', { netns: 1 }, [{ netns: 1 }]],
    ['netns and a start time without pid', { netns: 1, startTime: 3 }, [{ netns: 1 }]],
    ['netns and pid', { netns: 1, pid: 2 }, [{ netns: 1, pid: 2 }]],
    ['netns, pid and starttime', { netns: 1, pid: 2, startTime: 3 }, [{ netns: 1, pid: 2, startTime: 3 }]],
    [
      'netns, pid, starttime and name',
      { netns: 1, pid: 2, startTime: 3, name: 'web' },
      [{ netns: 1, pid: 2, startTime: 3 }, looked, looked],
    ],
    ['netns, pid and name', { netns: 1, pid: 2, name: 'web' }, [{ netns: 1, pid: 2 }, looked, looked]],
    ['netns and name', { netns: 1, name: 'web' }, [looked, looked]],
    ['name alone', { name: 'web' }, [looked, looked]],
    ['name and a process of an unknown namespace', { name: 'web', pid: 2, startTime: 3 }, [looked, looked]],
  ])('given %s, yields the candidates of the table', async (_title, given, tried) => {
    const { references, error } = await walk(new MemoryDirectory([found]), given);
    expect(references).toEqual(tried);
    expect(error).toBeUndefined();
  });

  it('looks nothing up if the reference of the client is good', async () => {
    const directory = new MemoryDirectory([found]);
    const own = { ...CLIENT, netns: 1, pid: 2, startTime: 3, name: 'web' };
    for await (const candidate of new DirectoryNetnsResolver(directory).candidates(own, NEVER)) {
      expect(candidate).toEqual(own);
      break;
    }
    expect(directory.questions).toEqual([]);
  });

  it('requires a fresh answer when the first one proved stale', async () => {
    const directory = new MemoryDirectory([found], [entry({ netns: 300, pid: 30, startTime: 3000 })]);
    const { references } = await walk(directory, { name: 'web', prefix: '' });
    expect(references).toEqual([looked, { netns: 300, pid: 30, startTime: 3000 }]);
    expect(directory.questions).toEqual([
      { name: 'web', prefix: '', fresh: false },
      { name: 'web', prefix: '', fresh: true },
    ]);
  });

  it('reports that the target has ended in the meantime', async () => {
    const { references, error } = await walk(new MemoryDirectory([found], []), { name: 'web' });
    expect(references).toEqual([looked]);
    expect(error).toMatchObject({ code: 'no-such-target' });
  });

  it('uses the namespace of the directory and all other attributes of the client', async () => {
    const cluster = { context: 'kind', uid: 'abc' };
    const { targets } = await walk(new MemoryDirectory([found]), { name: 'web', type: 'container', cluster });
    expect(targets[0]).toEqual({ ...CLIENT, ...looked, name: 'web', type: 'docker', cluster });
  });

  it('verifies a bind mount by its namespace alone, even if the client names a process', async () => {
    const mount = entry({ name: '/run/netns/a', type: 'bindmount', netns: 400 });
    const given = { name: mount.name, netns: 1, pid: 2, startTime: 3 };
    const { references, targets } = await walk(new MemoryDirectory([mount]), given);
    expect(references[1]).toEqual({ netns: 400 });
    expect(targets[1]).not.toHaveProperty('pid');
    expect(targets[1]).not.toHaveProperty('startTime');
  });

  it.each<[name: string]>([
    ['/run/netns/a'],
    ['/mnt/b'],
    ['/mnt/b:/run/netns/a'],
    ['/proc/2/ns/mnt:/run/netns/a'],
  ])('finds a bind mount at several paths by %s', async (name) => {
    const mount = entry({ name: '/mnt/b:/run/netns/a', type: 'bindmount', netns: 400 });
    const process = entry({ name: '/mnt/b:/mnt/c', type: 'proc', netns: 500, pid: 5 });
    const { references } = await walk(new MemoryDirectory([mount, process]), { name });
    expect(references).toEqual([{ netns: 400 }, { netns: 400 }]);
  });

  it.each<[string, Partial<CaptureTarget>, boolean]>([
    ['the namespace of an unknown mount', { name: '/proc/9/ns/mnt:/hostrun/netns/a', netns: 400 }, true],
    ['another namespace', { name: '/hostrun/netns/a', netns: 401 }, false],
    ['a namespace that has a process', { name: '/hostrun/netns/a', netns: 500 }, false],
    ['no namespace', { name: '/hostrun/netns/a' }, false],
    ['a namespace and the name of a container that is unknown', { name: 'web', netns: 400 }, false],
  ])('given %s, finds what the directory lists without a process', async (_, given, isFound) => {
    const mount = entry({ name: '/run/netns/a', type: 'bindmount', netns: 400 });
    const process = entry({ name: 'sleep(5)', type: 'proc', netns: 500, pid: 5 });
    const { references, error } = await walk(new MemoryDirectory([mount, process]), given);
    expect(references).toEqual(isFound ? [{ netns: 400 }, { netns: 400 }] : []);
    expect(error?.code).toBe(isFound ? undefined : 'no-such-target');
  });

  it('does not find a pod that has a prefix without it', async () => {
    const pod = entry({ name: 'prod/web', type: 'pod', prefix: 'kind', netns: 400 });
    expect((await walk(new MemoryDirectory([pod]), { name: 'prod/web' })).references).toEqual([]);
    expect(
      (await walk(new MemoryDirectory([pod]), { name: 'prod/web', prefix: 'kind' })).references[0],
    ).toEqual({
      netns: 400,
    });
  });

  it.each<[title: string, given: Partial<CaptureTarget>, netns: number]>([
    ['the namespace', { netns: 101, type: 'docker' }, 101],
    ['the type, if no target has that namespace', { netns: 999, type: 'podman' }, 101],
    ['the type, if no namespace is given', { type: 'containerd' }, 102],
  ])('of several targets of that name, prefers %s', async (_title, given, netns) => {
    const twins = [
      entry({ netns: 100 }),
      entry({ netns: 101, type: 'podman' }),
      entry({ netns: 102, type: 'containerd' }),
    ];
    const { references } = await walk(new MemoryDirectory(twins), { name: 'web', ...given });
    expect(references[0]).toEqual({ netns });
  });

  it('accepts several targets in one namespace, and verifies by process', async () => {
    const shared = [entry({ netns: 100 }), entry({ netns: 100, type: 'containerd', pid: 5, startTime: 50 })];
    const { references } = await walk(new MemoryDirectory(shared), { name: 'web' });
    expect(references[0]).toEqual({ netns: 100, pid: 5, startTime: 50 });
  });

  it('rejects an ambiguous name and lists candidates', async () => {
    const many = Array.from({ length: 1000 }, (_, index) => entry({ netns: 4026530000 + index }));
    const { references, error } = await walk(new MemoryDirectory(many), { name: 'web', type: 'podman' });
    expect(references).toEqual([]);
    expect(error).toBeInstanceOf(CaptureError);
    expect(error).toMatchObject({
      code: 'ambiguous-reference',
      message: '"web" is ambiguous: docker in 4026530000, docker in 4026530001 and 998 more',
    });
  });

  it.each<[given: Partial<CaptureTarget>, message: string]>([
    [{ name: 'db' }, 'no target named "db"'],
    [{ name: 'web', prefix: 'dind' }, 'no target named "web" with prefix "dind"'],
    [{ name: 'a\nb' }, 'no target named "a\ufffdb"'],
    [{ name: '😀'.repeat(4096) }, `no target named "${'😀'.repeat(39)}…"`],
  ])('names the target that was not found: %j', async (given, message) => {
    const { error } = await walk(new MemoryDirectory([found]), given);
    expect(error).toMatchObject({ code: 'no-such-target', message });
  });

  it('reports why the directory failed, with the cause', async () => {
    const cause = new TargetDirectoryError('GhostWire cannot be reached', { reason: 'unreachable' });
    const { error } = await walk(new BrokenDirectory(cause), { name: 'web' });
    expect(error).toMatchObject({ code: 'discovery-failed', message: cause.message, cause });
  });

  it('does not hide an unexpected error of the directory', async () => {
    const defect = new TypeError('undefined is not a function');
    expect((await walk(new BrokenDirectory(defect), { name: 'web' })).error).toBe(defect);
  });

  it('refuses a target without namespace and name', async () => {
    expect((await walk(new MemoryDirectory(), {})).error).toMatchObject({ code: 'invalid-request' });
  });

  it('stops when the client has disconnected', async () => {
    const resolver = new DirectoryNetnsResolver(new MemoryDirectory([found]));
    const candidates = resolver.candidates({ ...CLIENT, name: 'web' }, AbortSignal.abort(new Error('gone')));
    await expect(candidates.next()).rejects.toThrow('gone');
  });
});
