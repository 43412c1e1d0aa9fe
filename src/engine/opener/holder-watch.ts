import type { Opener } from './opener.js';
import type { FoundHolder, NamespaceHolder } from '../../shared/linux/namespace-holders.js';

/** Polling interval. */
const INTERVAL_MS = 1_000;

interface Watched {
  readonly netns: number;
  holder: NamespaceHolder;
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

  constructor(private readonly opener: Pick<Opener, 'run'>) {}

  /**
   * @param onEnd called once, when nothing holds the namespace any more
   * @returns ends the watch
   */
  watch({ netns, holder }: FoundHolder, onEnd: () => void): () => void {
    const entry: Watched = { netns, holder, onEnd };
    this.watched.add(entry);
    this.schedule();
    return () => this.watched.delete(entry);
  }

  private schedule(): void {
    if (this.watched.size > 0) this.timer ??= setTimeout(() => void this.check(), INTERVAL_MS);
  }

  private async check(): Promise<void> {
    const entries = [...this.watched];
    try {
      const holders = await this.opener.run(
        'checkHolders',
        entries.map(({ netns, holder }) => ({ netns, holder })),
      );
      for (const [index, entry] of entries.entries()) {
        const holder = holders[index];
        if (holder) entry.holder = holder;
        else if (this.watched.delete(entry)) entry.onEnd();
      }
    } finally {
      this.timer = undefined;
      this.schedule();
    }
  }
}
