import { Injectable, Logger, Optional } from '@nestjs/common';
import type { AuthenticatedUser } from '../access/authenticated-user.js';
import {
  CaptureAccess,
  CaptureAccessError,
  textOf,
  UnrestrictedAccess,
  type CaptureRight,
} from '../access/capture-access.js';
import { distinct, rightsIn, type RightsEntry } from './capture-rights.js';
import { LiveTargets } from './live-targets.js';
import type { DirectoryEntry } from './target-directory.js';

/** How often is asked again what somebody may do, and after an attempt that failed. */
const ASK_AGAIN_MS = 15_000;
const RETRY_MS = 2_000;
/** For how long a right counts that cannot be confirmed. A shorter failure must not end everything that runs. */
const MAX_UNCONFIRMED_MS = 300_000;

/** Whether a user may capture from a target; undefined: that could not be found out yet. */
export type Permits = (entry: DirectoryEntry) => boolean | undefined;

/** Called with all targets, once they are known, after each change of them and of what the user may do. */
export type PermittedTargetsListener = (entries: readonly DirectoryEntry[], permits: Permits) => void;

/** The targets from which somebody may capture. */
@Injectable()
export class PermittedTargets {
  constructor(
    private readonly live: LiveTargets,
    @Optional() private readonly access: CaptureAccess = new UnrestrictedAccess(),
  ) {}

  /** Whether some may capture from less than others. */
  get isRestricted(): boolean {
    return this.access.isRestricted;
  }

  /**
   * @param entries all targets
   * @returns those from which the user may capture
   * @throws CaptureAccessError
   */
  async of<Entry extends RightsEntry>(
    user: AuthenticatedUser | undefined,
    entries: readonly Entry[],
  ): Promise<readonly Entry[]> {
    if (!this.isRestricted) return entries;
    const rightsOf = rightsIn(entries);
    const allowed = new Set<string>();
    await Promise.all(
      distinct(entries.flatMap(rightsOf)).map(async (right) => {
        if (await this.access.allows(user, right)) allowed.add(textOf(right));
      }),
    );
    return entries.filter((entry) => rightsOf(entry).every((right) => allowed.has(textOf(right))));
  }

  /**
   * @param concerned selects the targets that matter to the listener; for the others nothing is asked
   * @returns ends the subscription
   */
  subscribe(
    user: AuthenticatedUser | undefined,
    listener: PermittedTargetsListener,
    concerned: (entries: readonly DirectoryEntry[]) => readonly DirectoryEntry[] = (entries) => entries,
  ): () => void {
    if (!this.isRestricted) return this.live.subscribe((entries) => listener(entries, () => true));
    const permission = new LivePermission(new KnownRights(this.access, user), listener, concerned);
    const unsubscribe = this.live.subscribe((entries) => permission.update(entries));
    return () => {
      unsubscribe();
      permission.end();
    };
  }

  /**
   * Asks again and again whether somebody still has the rights to what runs.
   *
   * @param rights that the user has now
   * @param onRefused called when that is no longer so
   * @returns ends it
   */
  keepAsking(
    user: AuthenticatedUser | undefined,
    rights: readonly CaptureRight[],
    onRefused: () => void,
  ): () => void {
    const known = new KnownRights(this.access, user, rights);
    const timer = setInterval(() => {
      void known.ask(rights).then(() => {
        if (known.have(rights) !== false) return;
        clearInterval(timer);
        onRefused();
      });
    }, ASK_AGAIN_MS).unref();
    return () => clearInterval(timer);
  }
}

/** What is known of the rights of one user. */
class KnownRights {
  private readonly logger = new Logger('Access');
  private answers: Map<string, { readonly isAllowed: boolean; readonly atMs: number }>;

  constructor(
    private readonly access: CaptureAccess,
    private readonly user: AuthenticatedUser | undefined,
    confirmed: readonly CaptureRight[] = [],
  ) {
    const answer = { isAllowed: true, atMs: performance.now() };
    this.answers = new Map(confirmed.map((right) => [textOf(right), answer]));
  }

  /** Never rejects. @returns whether all has been answered */
  async ask(rights: readonly CaptureRight[]): Promise<boolean> {
    const before = this.answers;
    this.answers = new Map();
    for (const right of rights) {
      const answer = before.get(textOf(right));
      if (answer) this.answers.set(textOf(right), answer);
    }
    const results = await Promise.all(rights.map((right) => this.askFor(right)));
    return results.every((isAnswered) => isAnswered);
  }

  /** Undefined: it is not known whether the user has all of them. */
  have(rights: readonly CaptureRight[]): boolean | undefined {
    const answers = rights.map((right) => this.answers.get(textOf(right)));
    const oldestMs = performance.now() - MAX_UNCONFIRMED_MS;
    if (answers.some((answer) => answer && (!answer.isAllowed || answer.atMs < oldestMs))) return false;
    return answers.every((answer) => answer !== undefined) ? true : undefined;
  }

  private async askFor(right: CaptureRight): Promise<boolean> {
    try {
      const isAllowed = await this.access.allows(this.user, right);
      this.answers.set(textOf(right), { isAllowed, atMs: performance.now() });
      return true;
    } catch (error) {
      if (!(error instanceof CaptureAccessError)) this.logger.error(error);
      return false;
    }
  }
}

/** One subscription: asks whenever the targets change, and again after a while. */
class LivePermission {
  private entries?: readonly DirectoryEntry[];
  private isAsking = false;
  private isOutdated = false;
  private hasEnded = false;
  private timer?: NodeJS.Timeout;

  constructor(
    private readonly rights: KnownRights,
    private readonly listener: PermittedTargetsListener,
    private readonly concerned: (entries: readonly DirectoryEntry[]) => readonly DirectoryEntry[],
  ) {}

  update(entries: readonly DirectoryEntry[]): void {
    this.entries = entries;
    void this.ask();
  }

  end(): void {
    this.hasEnded = true;
    clearTimeout(this.timer);
  }

  /** Never rejects. */
  private async ask(): Promise<void> {
    this.isOutdated = true;
    if (this.isAsking || !this.entries) return;
    this.isAsking = true;
    clearTimeout(this.timer);
    let isAnswered = true;
    while (this.isOutdated && !this.hasEnded) {
      this.isOutdated = false;
      const { entries } = this;
      const rightsOf = rightsIn(entries);
      isAnswered = await this.rights.ask(distinct(this.concerned(entries).flatMap(rightsOf)));
      if (!this.hasEnded) this.listener(entries, (entry) => this.rights.have(rightsOf(entry)));
    }
    this.isAsking = false;
    if (this.hasEnded) return;
    this.timer = setTimeout(() => void this.ask(), isAnswered ? ASK_AGAIN_MS : RETRY_MS).unref();
  }
}
