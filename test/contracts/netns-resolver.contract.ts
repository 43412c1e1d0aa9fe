import { describe, expect, it } from '@jest/globals';
import { CaptureError } from '../../src/shared/protocol/capture-error.js';
import type { CaptureTarget } from '../../src/server/capture/request/capture-target.js';
import type { NetnsResolver, ResolvedTarget } from '../../src/server/capture/resolve/netns-resolver.js';
import type { DirectoryEntry } from '../../src/server/discovery/target-directory.js';

/** A resolver to test. */
export interface NetnsResolverSubject {
  readonly resolver: NetnsResolver;
  /** Called after each test. */
  dispose?(): void | Promise<void>;
}

/**
 * What every NetnsResolver has to hold to: it yields references that can be tried, keeps what is the client's, ends,
 * and throws nothing but the errors of the port.
 *
 * @param makeSubject makes a resolver that knows this target by name, and nothing else
 */
export function describeNetnsResolver(
  title: string,
  makeSubject: (known: DirectoryEntry) => NetnsResolverSubject | Promise<NetnsResolverSubject>,
): void {
  const itHolds = (behaviour: string, test: (resolver: NetnsResolver) => Promise<void>) =>
    it(behaviour, async () => {
      const subject = await makeSubject(KNOWN);
      try {
        await test(subject.resolver);
      } finally {
        await subject.dispose?.();
      }
    });

  describe(`${title}, as a NetnsResolver`, () => {
    itHolds('begins with the reference of a client that can be verified', async (resolver) => {
      const reference = { netns: 4026530009, pid: 909, startTime: 9009 };
      expect((await firstOf(resolver, { ...CLIENT, ...reference })).reference).toEqual(reference);
      expect((await firstOf(resolver, { ...CLIENT, ...reference, name: KNOWN.name })).reference).toEqual(
        reference,
      );
    });

    itHolds('takes a namespace without any more facts as it is', async (resolver) => {
      expect((await firstOf(resolver, { ...CLIENT, netns: 4026530009 })).reference).toEqual({
        netns: 4026530009,
      });
    });

    itHolds('finds a target by its name, and says which process it can be verified by', async (resolver) => {
      const { target, reference } = await firstOf(resolver, { ...CLIENT, name: KNOWN.name });
      expect(reference).toEqual({ netns: KNOWN.netns, pid: KNOWN.pid, startTime: KNOWN.startTime });
      expect(target).toMatchObject({ netns: KNOWN.netns, name: KNOWN.name, type: KNOWN.type });
    });

    itHolds("keeps the client's interfaces, node name and cluster", async (resolver) => {
      const { target } = await firstOf(resolver, { ...CLIENT, name: KNOWN.name });
      const { interfaces, nodeName, cluster } = CLIENT;
      expect(target).toMatchObject({ interfaces, nodeName, cluster });
    });

    itHolds('comes to an end, however often its answers prove stale', async (resolver) => {
      const stale = { ...CLIENT, netns: 4026530009, pid: 909, startTime: 9009, name: KNOWN.name };
      let count = 0;
      for await (const { reference } of resolver.candidates(stale, NEVER)) {
        expect(reference.netns).toBeGreaterThan(0);
        expect(++count).toBeLessThan(10);
      }
    });

    itHolds('says so when there is no such target', async (resolver) => {
      const failure = await firstOf(resolver, { ...CLIENT, name: 'no-such-name' }).catch(
        (error: unknown) => error,
      );
      expect(failure).toBeInstanceOf(CaptureError);
      expect(failure).toMatchObject({
        code: 'no-such-target',
        message: expect.stringContaining('no-such-name'),
      });
    });

    itHolds('can be left at any time', async (resolver) => {
      for (let times = 0; times < 3; times++) {
        for await (const candidate of resolver.candidates({ ...CLIENT, name: KNOWN.name }, NEVER)) {
          expect(candidate.reference.netns).toBe(KNOWN.netns);
          break;
        }
      }
    });
  });
}

const NEVER = new AbortController().signal;

const KNOWN: DirectoryEntry = {
  name: 'web',
  prefix: '',
  type: 'docker',
  netns: 4026530001,
  pid: 101,
  startTime: 1001,
  interfaces: ['lo', 'eth0'],
};

const CLIENT: CaptureTarget = {
  prefix: '',
  type: '',
  nodeName: 'node-1',
  cluster: { context: 'kind', uid: 'abc-def' },
  interfaces: ['eth1'],
};

async function firstOf(resolver: NetnsResolver, target: CaptureTarget): Promise<ResolvedTarget> {
  for await (const candidate of resolver.candidates(target, NEVER)) return candidate;
  throw new Error('there was no candidate');
}
