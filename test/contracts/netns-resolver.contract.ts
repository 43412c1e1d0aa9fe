import { describe, expect, it } from '@jest/globals';
import { CaptureError } from '../../src/shared/protocol/capture-error.js';
import type { NetnsReference } from '../../src/shared/protocol/capture-spec.js';
import type { CaptureTarget } from '../../src/server/capture/request/capture-request.js';
import type { NetnsResolver, ResolvedTarget } from '../../src/server/capture/resolve/netns-resolver.js';
import type { DirectoryEntry } from '../../src/server/discovery/target-directory.js';

/** A resolver to test. */
export interface NetnsResolverSubject {
  readonly resolver: NetnsResolver;
  /** Called after each test. */
  dispose?(): void | Promise<void>;
}

/**
 * The contract of every NetnsResolver: it yields candidates, preserves the attributes of the client, ends, and throws only
 * the errors of the port.
 *
 * @param makeSubject makes a resolver that can find only this target by name
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
    itHolds('first yields the reference of the client if it can be verified', async (resolver) => {
      const reference = { netns: 4026530009, pid: 909, startTime: 9009 };
      expect(await referenceOf(resolver, { ...CLIENT, ...reference })).toEqual(reference);
      expect(await referenceOf(resolver, { ...CLIENT, ...reference, name: KNOWN.name })).toEqual(reference);
    });

    itHolds('accepts a namespace without further attributes', async (resolver) => {
      expect(await referenceOf(resolver, { ...CLIENT, netns: 4026530009 })).toEqual({ netns: 4026530009 });
    });

    itHolds('finds a target by its name, with the process by which it can be verified', async (resolver) => {
      const { netns, pid, startTime, name, type } = KNOWN;
      expect(await firstOf(resolver, { ...CLIENT, name })).toMatchObject({
        ...{ netns, pid, startTime, name, type },
      });
    });

    itHolds('preserves interfaces, node name and cluster of the client', async (resolver) => {
      const target = await firstOf(resolver, { ...CLIENT, name: KNOWN.name });
      const { interfaces, nodeName, cluster } = CLIENT;
      expect(target).toMatchObject({ interfaces, nodeName, cluster });
    });

    itHolds('ends even if all its candidates are stale', async (resolver) => {
      const stale = { ...CLIENT, netns: 4026530009, pid: 909, startTime: 9009, name: KNOWN.name };
      let count = 0;
      for await (const { netns } of resolver.candidates(stale, NEVER)) {
        expect(netns).toBeGreaterThan(0);
        expect(++count).toBeLessThan(10);
      }
    });

    itHolds('reports an unknown target', async (resolver) => {
      const failure = await firstOf(resolver, { ...CLIENT, name: 'no-such-name' }).catch(
        (error: unknown) => error,
      );
      expect(failure).toBeInstanceOf(CaptureError);
      expect(failure).toMatchObject({
        code: 'no-such-target',
        message: expect.stringContaining('no-such-name'),
      });
    });

    itHolds('can be stopped after any candidate', async (resolver) => {
      for (let times = 0; times < 3; times++) {
        for await (const candidate of resolver.candidates({ ...CLIENT, name: KNOWN.name }, NEVER)) {
          expect(candidate.netns).toBe(KNOWN.netns);
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

async function referenceOf(resolver: NetnsResolver, target: CaptureTarget): Promise<NetnsReference> {
  const { netns, pid, startTime } = await firstOf(resolver, target);
  return { netns, ...(pid && { pid }), ...(startTime && { startTime }) };
}

async function firstOf(resolver: NetnsResolver, target: CaptureTarget): Promise<ResolvedTarget> {
  for await (const candidate of resolver.candidates(target, NEVER)) return candidate;
  throw new Error('there was no candidate');
}
