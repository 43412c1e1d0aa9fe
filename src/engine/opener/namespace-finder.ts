import { setTimeout as sleep } from 'node:timers/promises';
import type { SearchOutcome } from '../../shared/linux/namespaces.js';
import type { Beneficiary } from '../beneficiary.js';
import type { NetnsReference } from '../../shared/protocol/capture-spec.js';
import type { OpenedNamespace } from './opener-tasks.js';
import { OpenerError, type Opener } from './opener.js';

type Runner = Pick<Opener, 'run'>;

/** After a search that took longer, the next one waits as long as it took, so that searches take half of a core at most. */
const SHORT_SEARCH_MS = 50;

/** A search that has not begun: each request until then adds a namespace to it. */
interface Search {
  readonly wanted: Set<number>;
  readonly outcomes: Promise<ReadonlyMap<number, SearchOutcome>>;
}

/**
 * Opens namespaces, and searches for what holds those without a process. Every user of the host can make that search slow, so
 * only one runs at a time, for all requests, in its own thread and with a limit on its CPU time. Requests for a process, or for a
 * namespace that has one, do not wait for it.
 */
export class NamespaceFinder {
  private running: Promise<unknown> = Promise.resolve();
  private next?: Search;

  /**
   * @param opener opens namespaces
   * @param searcher searches for them
   */
  constructor(
    private readonly opener: Runner,
    private readonly searcher: Runner,
  ) {}

  /**
   * @throws OpenerError with the code of a NamespaceError, or of another error of the task; or the reason of the signal
   */
  async open(reference: NetnsReference, beneficiary: Beneficiary): Promise<OpenedNamespace> {
    try {
      return await this.opener.run('openNamespace', { reference }, beneficiary);
    } catch (error) {
      const { code } = error as OpenerError;
      if (reference.pid !== undefined || !['no-such-namespace', 'not-permitted'].includes(code)) throw error;
      const { holder, refusal, isComplete } = await this.find(reference.netns, beneficiary.signal);
      if (holder) return this.opener.run('openNamespace', { reference, holder }, beneficiary);
      if (code === 'not-permitted') throw error;
      if (refusal !== undefined) throw new OpenerError('not-permitted', refusal);
      if (isComplete) throw error;
      const message = `no network namespace ${reference.netns} found: the search took too long`;
      throw new OpenerError('no-such-namespace', message);
    }
  }

  /**
   * Searches for what holds a namespace, besides processes in it.
   *
   * @param signal aborts the wait, not the search
   */
  async find(netns: number, signal?: AbortSignal): Promise<SearchOutcome> {
    signal?.throwIfAborted();
    this.next ??= this.newSearch();
    this.next.wanted.add(netns);
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(signal?.reason as Error);
    signal?.addEventListener('abort', onAbort);
    try {
      const outcomes = await Promise.race([this.next.outcomes, aborted.promise]);
      return outcomes.get(netns) ?? { isComplete: false };
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  private newSearch(): Search {
    const wanted = new Set<number>();
    let began = 0;
    const outcomes = this.running.then(async () => {
      this.next = undefined;
      began = performance.now();
      const asked = [...wanted];
      const found = await this.searcher.run('searchNamespaces', asked);
      return new Map(found.map((outcome, index) => [asked[index] ?? 0, outcome]));
    });
    // That nothing was found is not remembered: the next namespace often gets the inode number of one that has just ended.
    this.running = outcomes
      .catch(() => undefined)
      .then(() => {
        const tookMs = performance.now() - began;
        return tookMs > SHORT_SEARCH_MS ? sleep(tookMs) : undefined;
      });
    return { wanted, outcomes };
  }
}
