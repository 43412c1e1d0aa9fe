import type { FoundHolder, NamespaceHolder } from '../../shared/linux/namespace-holders.js';
import type { SearchOutcome } from '../../shared/linux/namespaces.js';
import { logOnce } from '../log.js';
import type { NamespaceFinder } from './namespace-finder.js';
import type { Opener } from './opener.js';

/** Polling interval. */
const INTERVAL_MS = 1_000;
/** When to look again for a namespace that a search has neither found gone nor found a usable holder of: searches are slow. */
const NEXT_SEARCH_MS = 20_000;

interface Watched {
  readonly netns: number;
  holder: NamespaceHolder;
  /** Not to be checked before that time, see performance.now(). */
  notBefore: number;
  readonly onEnd: () => void;
}

/**
 * Detects that nothing but this engine holds a network namespace any more. The kernel reports no such event, and our open
 * descriptor even keeps the namespace alive, so the last known holder is checked once a second, and other holders are
 * searched for only when that one has gone.
 */
export class HolderWatch {
  private readonly watched = new Set<Watched>();
  private timer?: NodeJS.Timeout;

  constructor(
    private readonly opener: Pick<Opener, 'run'>,
    private readonly finder: Pick<NamespaceFinder, 'find'>,
  ) {}

  /**
   * @param onEnd called once, when nothing holds the namespace any more
   * @returns ends the watch
   */
  watch({ netns, holder }: FoundHolder, onEnd: () => void): () => void {
    const entry: Watched = { netns, holder, notBefore: 0, onEnd };
    this.watched.add(entry);
    this.schedule();
    return () => this.watched.delete(entry);
  }

  private schedule(): void {
    if (this.watched.size > 0) this.timer ??= setTimeout(() => void this.check(), INTERVAL_MS);
  }

  private async check(): Promise<void> {
    const entries = [...this.watched].filter(({ notBefore }) => notBefore <= performance.now());
    try {
      const holders = await this.opener.run(
        'checkHolders',
        entries.map(({ netns, holder }) => ({ netns, holder })),
      );
      for (const [index, entry] of entries.entries()) {
        const holder = holders[index];
        if (holder) entry.holder = holder;
        else void this.search(entry);
      }
    } catch (error) {
      logOnce('cannot check whether targets still exist', { error: (error as Error).message });
    } finally {
      this.timer = undefined;
      this.schedule();
    }
  }

  private async search(entry: Watched): Promise<void> {
    entry.notBefore = Infinity;
    // A search fails, too, when there are no descriptors left: that says nothing about the namespace.
    const outcome = await this.finder.find(entry.netns).catch(() => ({ isComplete: false }));
    const { holder, refusal, isComplete }: SearchOutcome = outcome;
    if (holder) entry.holder = holder;
    const isGone = !holder && refusal === undefined && isComplete;
    if (isGone && this.watched.delete(entry)) entry.onEnd();
    else entry.notBefore = holder ? 0 : performance.now() + NEXT_SEARCH_MS;
  }
}
