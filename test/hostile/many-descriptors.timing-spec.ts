import { CaptureClient, type CaptureParameters } from '../kit/capture-client.js';
import { CLOSE_NOT_FOUND } from '../kit/close-codes.js';
import { namespaceOfProcess } from '../kit/namespace-holders.js';
import { NetworkNamespace } from '../kit/namespace.js';
import { startTimeOf } from '../kit/processes.js';
import { describeAsRoot } from '../kit/root.js';
import { Service } from '../kit/service.js';
import { searches } from './attacks.js';

const ROUNDS = 10;
const MAX_OPENING_MS = 1_000;
/** A request that needs a search waits for the running one, for the pause after it, and for its own: 1 s of CPU time each. */
const MAX_SEARCH_MS = 10_000;

describeAsRoot('While a user with 500,000 descriptors slows down each search for a namespace', () => {
  it(`a capture of a process opens within ${MAX_OPENING_MS / 1000} s, and searches end`, async () => {
    await using service = await Service.start();
    await using target = await namespaceOfProcess();
    await target.setUp('lo');
    await using mounted = await NetworkNamespace.create();
    await mounted.setUp('lo');
    const end = new AbortController();
    const attack = searches(service, end.signal);
    await service.child.saying(/"reason":"(there is )?no network namespace/, 60_000);

    const timeUntil = async (
      parameters: CaptureParameters,
      answer: (client: CaptureClient) => Promise<unknown>,
    ): Promise<number> => {
      const begin = performance.now();
      await using client = await CaptureClient.open(service, parameters);
      await answer(client);
      return performance.now() - begin;
    };
    const described = (client: CaptureClient): Promise<void> => client.described('lo');
    const { pid, inode: netns } = target;
    const container = { netns, pid, starttime: startTimeOf(pid) };
    const times = { byProcess: [0], byInode: [0], byMount: [0], none: [0] };
    try {
      for (let round = 1; round <= ROUNDS; round++) {
        times.byProcess.push(await timeUntil({ container }, described));
        times.byInode.push(await timeUntil({ netns }, described));
        times.byMount.push(await timeUntil({ netns: mounted.inode }, described));
        times.none.push(
          await timeUntil({ netns: 1 }, async (client) => {
            expect((await client.ended(30_000)).code).toBe(CLOSE_NOT_FOUND);
          }),
        );
      }
    } finally {
      end.abort();
      await attack;
    }

    const [byProcess, byInode, byMount, none] = Object.values(times).map((each) => Math.max(...each));
    console.info('slowest, in ms:', { byProcess, byInode, byMount, none });
    expect(byProcess).toBeLessThan(MAX_OPENING_MS);
    expect(byInode).toBeLessThan(MAX_OPENING_MS);
    expect(byMount).toBeLessThan(MAX_SEARCH_MS);
    expect(none).toBeLessThan(MAX_SEARCH_MS);
  }, 180_000);
});
