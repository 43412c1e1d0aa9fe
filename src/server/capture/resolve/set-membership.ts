import type { NetnsReference, SetMember } from '../../../shared/protocol/capture-spec.js';
import type { LeaveCode } from '../../../shared/protocol/protocol.js';
import { printable } from '../../../shared/printable.js';
import { namespaceKey, ownPrefixOf, type DirectoryEntry } from '../../discovery/target-directory.js';
import type { Permits } from '../../discovery/permitted-targets.js';
import type { SetCapture, SetObserver } from '../capture-provider.js';

/** A directory may lose sight of a target for a moment, for example when its runtime is restarted. */
const LEAVE_AFTER_MS = 1_500;
/** A target that could not be captured from is tried again after this time, and then after twice as long each time. */
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;
/** Timers may fire a moment too early. */
const TIMER_TOLERANCE_MS = 5;
/** Longest part of a name in a member's texts, in characters: they may have at most MAX_MEMBER_TEXT_BYTES. */
const MAX_NAME_LENGTH = 128;
/** Maximum number of targets that a comment lists. */
const MAX_LISTED = 100;

const NOT_IN_SET = 'it does not belong to the set any more';

/** Outcomes that say that the directory was a moment behind, or ahead. */
const EXPECTED_ON_CHANGE: ReadonlySet<LeaveCode> = new Set([
  'stale-reference',
  'no-such-namespace',
  'target-ended',
]);

/** Which targets belong to a set, and how it names them. */
export interface SetMembershipOptions {
  /** Name of this host. */
  readonly node: string;
  /** @returns the targets that belong to the set */
  readonly select: (entries: readonly DirectoryEntry[]) => readonly DirectoryEntry[];
  /** Maximum number of members at the same time; those that the directory does not list any more do not count. */
  readonly maxMembers: number;
  /** Whether the names of interfaces begin with that of the target. */
  readonly namesTargets: boolean;
  /** Who asked for the capture, if that is known. */
  readonly user?: string;
  /** Called when a target is captured from, and when it is no more; `reason` is absent in the first case. */
  readonly onChange?: (change: MemberChange) => void;
  /**
   * The target that the capture has begun with, as member 0. Then members leave only when their namespaces end: the directory
   * need not list them.
   */
  readonly first?: FirstMember;
}

export interface FirstMember {
  readonly target: Pick<DirectoryEntry, 'type' | 'name' | 'prefix'>;
  readonly reference: NetnsReference;
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
  /** Its network namespace, see `namespaceKey`. */
  readonly namespace: string;
  /** The entry by which it joined. */
  key: string;
  readonly title: string;
  /** Its title as it was told last. */
  shownAs: string;
  isAttached?: boolean;
  /** When it leaves unless it is listed again, see performance.now(); absent: it is listed. */
  leavesAtMs?: number;
}

/** An entry that could not be captured from. */
interface Refusal {
  readonly notBeforeMs: number;
  readonly retryMs: number;
}

/** What belongs to the set now. */
interface Wanted {
  /** One entry for each network namespace, the most trusted, then the first by name. */
  readonly byNamespace: ReadonlyMap<string, DirectoryEntry>;
  /** Likewise of those from which the user may not capture. */
  readonly forbidden: ReadonlyMap<string, DirectoryEntry>;
  readonly keys: ReadonlySet<string>;
}

/**
 * The members of one set: keeps them as the directory says while the capture runs. A network namespace is captured from once,
 * however many targets share it. Its number cannot be reused while it is: the capture keeps it open.
 */
export class SetMembership implements SetObserver {
  /** By the keys of their network namespaces. */
  private readonly members = new Map<string, Member>();
  private readonly refusals = new Map<string, Refusal>();
  private entries: readonly DirectoryEntry[] = [];
  private permits: Permits = () => true;
  /** Titles of the targets from which the user may not capture. */
  private toldForbidden: ReadonlySet<string> = new Set();
  private capture?: SetCapture;
  private lastId = 0;
  private leftOut = 0;
  /** For what is due before the next change of the directory. */
  private timer?: NodeJS.Timeout;

  constructor(private readonly options: SetMembershipOptions) {
    const { first } = options;
    if (!first) return;
    const { netns, pid = 0, startTime = 0, node } = first.reference;
    const title = titleOf(first.target);
    const key = keyOf({ ...first.target, netns, pid, startTime, ...(node !== undefined && { node }) });
    const namespace = namespaceKey(first.reference);
    this.members.set(namespace, { id: 0, netns, namespace, key, title, shownAs: title, isAttached: true });
  }

  /** Begins to attach members. */
  begin(capture: SetCapture): void {
    this.capture = capture;
    void capture.end.then(() => this.close());
  }

  /** Must be called with all targets, at first and after each change, also of what the user may do. */
  update(entries: readonly DirectoryEntry[], permits = this.permits): void {
    this.entries = entries;
    this.permits = permits;
    const { capture } = this;
    if (!capture) return;
    const wanted = this.wanted(entries);
    for (const member of [...this.members.values()]) this.review(member, wanted);

    const chosen = this.choose(wanted);
    const joining: SetMember[] = [];
    for (const entry of chosen) {
      if (this.members.has(namespaceKey(entry)) || this.isRefused(entry)) continue;
      joining.push(this.join(entry));
    }
    if (joining.length > 0) capture.attach(joining);
    this.tellLeftOut(wanted.byNamespace.size - chosen.length);
    this.tellForbidden(wanted);
    this.forgetRefusals(entries);
    this.schedule(chosen);
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
    if (!last && !EXPECTED_ON_CHANGE.has(code)) {
      this.capture?.comment(`${title}: cannot be captured from: ${message}`);
    }
    this.update(this.entries); // another target may be in that namespace, or there is room for one
  }

  private close(): void {
    delete this.capture;
    clearTimeout(this.timer);
    this.members.clear();
  }

  private wanted(entries: readonly DirectoryEntry[]): Wanted {
    const byNamespace = new Map<string, DirectoryEntry>();
    const keys = new Set<string>();
    const forbidden = new Map<string, DirectoryEntry>();
    for (const entry of this.options.select(entries)) {
      const isPermitted = this.permits(entry);
      if (isPermitted === false) forbidden.set(namespaceKey(entry), entry);
      if (isPermitted !== true) continue;
      keys.add(keyOf(entry));
      const namespace = namespaceKey(entry);
      const other = byNamespace.get(namespace);
      if (!other || byTrustThenName(entry, other) < 0) byNamespace.set(namespace, entry);
    }
    return { byNamespace, forbidden, keys };
  }

  /** A member that is listed keeps its place; one that is not leaves after a while. */
  private review(member: Member, { byNamespace, forbidden, keys }: Wanted): void {
    if (forbidden.has(member.namespace)) {
      return this.detach(member, `${this.user} may not capture from it any more`);
    }
    const entry = byNamespace.get(member.namespace);
    if (!entry) {
      if (this.options.first) return;
      const nowMs = performance.now();
      member.leavesAtMs ??= nowMs + LEAVE_AFTER_MS;
      if (nowMs >= member.leavesAtMs) this.detach(member, NOT_IN_SET);
      return;
    }
    delete member.leavesAtMs;
    const title = titleOf(entry);
    if (!keys.has(member.key)) {
      // The target by which it joined has gone, and another one shares its namespace.
      const isOther = title !== member.title && !this.options.first;
      if (isOther) return this.detach(member, `its network namespace belongs to ${title} now`);
      member.key = keyOf(entry);
    }
    if (title === member.shownAs || keyOf(entry) !== member.key) return;
    member.shownAs = title;
    this.capture?.comment(`${member.title}: is now ${title}`);
  }

  /** As many as there may be: the most trusted first, then those that are members already. */
  private choose({ byNamespace }: Wanted): DirectoryEntry[] {
    const { maxMembers } = this.options;
    if (byNamespace.size <= maxMembers) return [...byNamespace.values()];
    const rank = (entry: DirectoryEntry): number =>
      2 * Number(ownPrefixOf(entry) !== '') + Number(!this.members.has(namespaceKey(entry)));
    const chosen = [...byNamespace.values()].sort((a, b) => rank(a) - rank(b)).slice(0, maxMembers);
    const kept = new Set(chosen.map(namespaceKey));
    for (const member of [...this.members.values()]) {
      if (byNamespace.has(member.namespace) && !kept.has(member.namespace))
        this.detach(member, 'another target takes its place');
    }
    return chosen;
  }

  private join(entry: DirectoryEntry): SetMember {
    const { netns, pid, startTime, node } = entry;
    const title = titleOf(entry);
    const namespace = namespaceKey(entry);
    const member: Member = { id: ++this.lastId, netns, namespace, key: keyOf(entry), title, shownAs: title };
    this.members.set(namespace, member);
    const process = pid > 0 ? `, process ${pid}` : '';
    return {
      id: member.id,
      reference: {
        netns,
        ...(pid > 0 && { pid, ...(startTime > 0 && { startTime }) }),
        ...(node !== undefined && { node }),
      },
      name: this.options.namesTargets ? displayName(entry) : '',
      description: `${title}, node ${node ?? this.options.node}, network namespace ${netns}${process}`,
    };
  }

  private detach(member: Member, reason: string): void {
    this.remove(member, reason);
    this.capture?.detach(member.id, reason);
  }

  private remove(member: Member, reason: string): void {
    if (this.members.get(member.namespace) === member) this.members.delete(member.namespace);
    const { title, netns, isAttached } = member;
    if (isAttached) this.options.onChange?.({ target: title, netns, reason });
  }

  private memberOf(memberId: number): Member | undefined {
    for (const member of this.members.values()) if (member.id === memberId) return member;
    return undefined;
  }

  private isRefused(entry: DirectoryEntry): boolean {
    return (this.refusals.get(keyOf(entry))?.notBeforeMs ?? 0) > performance.now();
  }

  /** Targets come and go for months. */
  private forgetRefusals(entries: readonly DirectoryEntry[]): void {
    if (this.refusals.size === 0) return;
    const there = new Set(entries.map(keyOf));
    for (const key of this.refusals.keys()) if (!there.has(key)) this.refusals.delete(key);
  }

  /** Updates again when the first member is to leave, or a target is to be tried again. */
  private schedule(chosen: readonly DirectoryEntry[]): void {
    clearTimeout(this.timer);
    const leaving = [...this.members.values()].flatMap(({ leavesAtMs }) => leavesAtMs ?? []);
    const refused = chosen
      .filter((entry) => !this.members.has(namespaceKey(entry)))
      .flatMap((entry) => this.refusals.get(keyOf(entry))?.notBeforeMs ?? []);
    const nextMs = Math.min(...leaving, ...refused);
    if (nextMs === Infinity) return;
    const waitMs = Math.max(0, nextMs - performance.now()) + TIMER_TOLERANCE_MS;
    this.timer = setTimeout(() => this.update(this.entries), waitMs);
  }

  private get user(): string {
    return printable(this.options.user ?? 'this user', MAX_NAME_LENGTH);
  }

  /** Mentions each target once. */
  private tellForbidden({ forbidden }: Wanted): void {
    const told = this.toldForbidden;
    this.toldForbidden = new Set([...forbidden.values()].map(titleOf));
    const news = [...this.toldForbidden].filter((title) => !told.has(title));
    if (news.length === 0) return;
    const listed = news.slice(0, MAX_LISTED).join(', ');
    const others = news.length > MAX_LISTED ? ` and ${news.length - MAX_LISTED} more` : '';
    this.capture?.comment(`left out, because ${this.user} may not capture from them: ${listed}${others}`);
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

/** One life of a target: after a restart it has another key. */
function keyOf(
  entry: Pick<DirectoryEntry, 'netns' | 'pid' | 'startTime' | 'name' | 'prefix' | 'node'>,
): string {
  const { pid, startTime, name, prefix } = entry;
  return `${namespaceKey(entry)} ${pid > 0 ? `${pid} ${startTime}` : `${prefix} ${name}`}`;
}

/** What a container or a user claims, which has a prefix, comes last, so it never gives a namespace of others its name. */
function byTrustThenName(a: DirectoryEntry, b: DirectoryEntry): number {
  return (
    Number(ownPrefixOf(a) !== '') - Number(ownPrefixOf(b) !== '') ||
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
