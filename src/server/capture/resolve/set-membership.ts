import type { SetMember, NetnsReference } from '../../../shared/protocol/capture-spec.js';
import type { LeaveCode } from '../../../shared/protocol/protocol.js';
import { printable } from '../../../shared/printable.js';
import type { DirectoryEntry } from '../../discovery/target-directory.js';
import type { SetCapture, SetObserver } from '../capture-provider.js';

/** A directory may lose sight of a target for a moment, for example when its runtime is restarted. */
const LEAVE_AFTER_MS = 1_500;
/** A target that could not be captured from is tried again after this time, and then after twice as long each time. */
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;
/** Longest part of a name in a member's texts, in characters: they may have at most MAX_MEMBER_TEXT_BYTES. */
const MAX_NAME_LENGTH = 128;

const NOT_IN_SET = 'it does not belong to the set any more';

/** Outcomes that say that the directory was a moment behind, or ahead. */
const EXPECTED_ON_CHANGE: ReadonlySet<LeaveCode> = new Set([
  'stale-reference',
  'no-such-namespace',
  'target-ended',
]);

/** Which targets belong to a set, and how it names them. */
export interface SetMembershipOptions {
  /** Of this host. */
  readonly node: string;
  /** Whether a target belongs to the set. */
  readonly includes: (entry: DirectoryEntry, hostNetns: number | undefined) => boolean;
  /** Maximum number of members at the same time; those that the directory does not list any more do not count. */
  readonly maxMembers: number;
  /** Whether the names of interfaces begin with that of the target. */
  readonly namesTargets: boolean;
  /** Called when a target is captured from, and when it is no more; `reason` is absent in the first case. */
  readonly onChange?: (change: MemberChange) => void;
  /**
   * A target that has been found already, as the first member. Then members leave only when their namespaces end: the directory
   * need not list them.
   */
  readonly first?: {
    readonly entry: Pick<DirectoryEntry, 'type' | 'name' | 'prefix'>;
    readonly reference: NetnsReference;
  };
}

/** For the log. */
export interface MemberChange {
  readonly target: string;
  readonly netns: number;
  /** Why it has left; absent: it has joined. */
  readonly reason?: string;
}

interface Member {
  readonly id: number;
  readonly netns: number;
  /** The entry by which it joined. */
  readonly key: string;
  readonly title: string;
  /** Its title as it was told last. */
  shownAs: string;
  isAttached?: boolean;
  leaving?: NodeJS.Timeout;
}

/** An entry that could not be captured from. */
interface Refusal {
  readonly notBeforeMs: number;
  readonly retryMs: number;
}

/**
 * The members of one set, as a capture goes on: keeps them as the directory says. A network namespace is captured from once,
 * however many targets share it. Its number cannot be reused while it is: the capture keeps it open.
 */
export class SetMembership implements SetObserver {
  /** By inode number of the network namespace. */
  private readonly members = new Map<number, Member>();
  private readonly refusals = new Map<string, Refusal>();
  private entries: readonly DirectoryEntry[] = [];
  private capture?: SetCapture;
  private lastId = 0;
  private leftOut = 0;
  private retry?: NodeJS.Timeout;

  constructor(private readonly options: SetMembershipOptions) {}

  /** Begins to attach members. */
  begin(capture: SetCapture): void {
    this.capture = capture;
    const { first } = this.options;
    if (first) capture.attach([this.join(first.reference, first.entry, '')]);
    void capture.end.then(() => this.close());
  }

  /** Must be called with all targets, at first and after each change. */
  update(entries: readonly DirectoryEntry[]): void {
    this.entries = entries;
    const { capture } = this;
    if (!capture) return;
    const wanted = this.wanted(entries);
    for (const [netns, member] of this.members) {
      const entry = wanted.get(netns);
      if (entry) this.keep(member, entry);
      else if (!this.options.first) this.leaveLater(member);
    }
    let listed = [...this.members.keys()].filter((netns) => wanted.has(netns)).length;
    let leftOut = 0;
    const joining: SetMember[] = [];
    for (const [netns, entry] of wanted) {
      if (this.members.has(netns)) continue;
      if (this.isRefused(keyOf(entry))) continue;
      if (listed >= this.options.maxMembers) {
        leftOut++;
        continue;
      }
      listed++;
      joining.push(this.join(referenceOf(entry), entry, keyOf(entry)));
    }
    if (joining.length > 0) capture.attach(joining);
    this.tellLeftOut(leftOut);
    this.forgetRefusals(entries);
  }

  onAttached(memberId: number): void {
    const member = this.memberOf(memberId);
    if (!member) return;
    this.refusals.delete(member.key);
    member.isAttached = true;
    this.options.onChange?.({ target: member.title, netns: member.netns });
  }

  onLeft(memberId: number, code: LeaveCode, message: string): void {
    const member = this.memberOf(memberId);
    if (!member) return;
    this.remove(member, message);
    const { key, title } = member;
    const last = this.refusals.get(key);
    const retryMs = last ? Math.min(2 * last.retryMs, MAX_RETRY_MS) : FIRST_RETRY_MS;
    this.refusals.set(key, { retryMs, notBeforeMs: performance.now() + retryMs });
    if (!last && !EXPECTED_ON_CHANGE.has(code))
      this.capture?.comment(`${title}: cannot be captured from: ${message}`);
    this.updateLater(retryMs);
  }

  private close(): void {
    delete this.capture;
    clearTimeout(this.retry);
    for (const { leaving } of this.members.values()) clearTimeout(leaving);
    this.members.clear();
  }

  /** The entries that belong to the set, one for each network namespace: the most trusted, then the first by name. */
  private wanted(entries: readonly DirectoryEntry[]): Map<number, DirectoryEntry> {
    const hostNetns = entries.find(({ type, pid }) => type === 'proc' && pid === 1)?.netns;
    const wanted = new Map<number, DirectoryEntry>();
    for (const entry of entries) {
      if (!this.options.includes(entry, hostNetns)) continue;
      const other = wanted.get(entry.netns);
      if (!other || byTrustThenName(entry, other) < 0) wanted.set(entry.netns, entry);
    }
    return wanted;
  }

  private keep(member: Member, entry: DirectoryEntry): void {
    clearTimeout(member.leaving);
    delete member.leaving;
    const title = titleOf(entry);
    if (title === member.shownAs || keyOf(entry) !== member.key) return;
    member.shownAs = title;
    this.capture?.comment(`${member.title}: is now ${title}`);
  }

  private join(
    reference: NetnsReference,
    entry: Pick<DirectoryEntry, 'type' | 'name' | 'prefix'>,
    key: string,
  ): SetMember {
    const { netns } = reference;
    const title = titleOf(entry);
    const member: Member = { id: ++this.lastId, netns, key, title, shownAs: title };
    this.members.set(netns, member);
    const process = reference.pid === undefined ? '' : `, process ${reference.pid}`;
    const description = `${title}, node ${this.options.node}, network namespace ${netns}${process}`;
    const name = this.options.namesTargets ? displayName(entry) : '';
    return { id: member.id, reference, name, description };
  }

  private leaveLater(member: Member): void {
    member.leaving ??= setTimeout(() => {
      this.remove(member, NOT_IN_SET);
      this.capture?.detach(member.id, NOT_IN_SET);
      this.update(this.entries); // there may be room for another one
    }, LEAVE_AFTER_MS);
  }

  private remove(member: Member, reason: string): void {
    clearTimeout(member.leaving);
    if (this.members.get(member.netns) === member) this.members.delete(member.netns);
    if (member.isAttached) this.options.onChange?.({ target: member.title, netns: member.netns, reason });
  }

  private memberOf(memberId: number): Member | undefined {
    for (const member of this.members.values()) if (member.id === memberId) return member;
    return undefined;
  }

  private isRefused(key: string): boolean {
    return (this.refusals.get(key)?.notBeforeMs ?? 0) > performance.now();
  }

  /** Targets come and go for months. */
  private forgetRefusals(entries: readonly DirectoryEntry[]): void {
    if (this.refusals.size === 0) return;
    const there = new Set(entries.map(keyOf));
    for (const key of this.refusals.keys()) if (!there.has(key)) this.refusals.delete(key);
  }

  private updateLater(ms: number): void {
    this.retry ??= setTimeout(() => {
      delete this.retry;
      this.update(this.entries);
    }, ms);
  }

  private tellLeftOut(count: number): void {
    if (count === this.leftOut) return;
    this.leftOut = count;
    const { maxMembers, namesTargets } = this.options;
    if (!namesTargets) return;
    const what = count === 1 ? '1 target is' : `${count} targets are`;
    this.capture?.comment(
      count === 0
        ? 'no target is left out any more'
        : `${what} left out: a set has at most ${maxMembers} targets at the same time, --max-targets of the service`,
    );
  }
}

function referenceOf({ netns, pid, startTime }: DirectoryEntry): NetnsReference {
  return { netns, ...(pid > 0 && { pid }), ...(pid > 0 && startTime > 0 && { startTime }) };
}

/** One life of a target: after a restart it has another key. */
function keyOf({ netns, pid, startTime, name, prefix }: DirectoryEntry): string {
  return pid > 0 ? `${netns} ${pid} ${startTime}` : `${netns} ${prefix} ${name}`;
}

/** What a container or a user claims, which has a prefix, comes last, so it never gives a namespace of others its name. */
function byTrustThenName(a: DirectoryEntry, b: DirectoryEntry): number {
  return (
    Number(a.prefix !== '') - Number(b.prefix !== '') ||
    Number(a.type === 'proc') - Number(b.type === 'proc') ||
    (a.name < b.name ? -1 : 1)
  );
}

/** With its prefix at the end, a target of a container or a user cannot pass for another one, whatever its name is. */
export function displayName({ name, prefix }: Pick<DirectoryEntry, 'name' | 'prefix'>): string {
  const shown = printable(name, MAX_NAME_LENGTH);
  return prefix ? `${shown} in ${printable(prefix, MAX_NAME_LENGTH)}` : shown;
}

function titleOf(entry: Pick<DirectoryEntry, 'type' | 'name' | 'prefix'>): string {
  return `${printable(entry.type, 32)} ${displayName(entry)}`;
}
