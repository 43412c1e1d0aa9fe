import { statSync } from 'node:fs';
import { listProcesses, readUpTo } from '../shared/linux/proc.js';
import { readProcess, type ProcessFacts } from './process-table.js';

/**
 * A process may enter its namespaces after it has started, and a runtime may list a container some time after its first
 * process, so a new process is looked at again until it has this age.
 */
const YOUNG_MS = 2_500;
/** Mount points of a host with hundreds of containers take 200 KiB. */
const MAX_MOUNTINFO_BYTES = 4 * 1024 * 1024;

/** A process that has been seen. */
interface Seen {
  /** Absent: a kernel thread, or it had ended when it was to be read. */
  facts?: ProcessFacts;
  /** Its parent is in another network or mount namespace, so it may be the first of a container. */
  isFirst: boolean;
  /** Inode of its directory in /proc, which differs from that of an earlier process with the same id; 0: not needed. */
  inode: number;
  readonly seenAtMs: number;
  /** It is not young any more. */
  isSettled: boolean;
}

/**
 * Tells whether the targets of the host may have changed, at a small fraction of what a scan costs: only new processes are
 * read. Not detected are processes that change their namespaces late, and mounts in the mount namespaces of others: scan from
 * time to time whatever this says.
 */
export class ChangeDetector {
  private seen = new Map<number, Seen>();
  private mounts: Buffer = Buffer.alloc(0);

  constructor(
    private readonly procRoot: string,
    private readonly clock = () => performance.now(),
  ) {}

  /** @returns whether there may have been a change since the last call; the first call returns true */
  poll(): boolean {
    const nowMs = this.clock();
    const now = new Map<number, Seen>();
    let changed = this.haveMountsChanged();
    for (const pid of listProcesses(this.procRoot)) {
      const before = this.seen.get(pid);
      const each = before ?? { isFirst: false, inode: 0, seenAtMs: nowMs, isSettled: false };
      now.set(pid, each);
      if (each.isSettled ? this.hasBeenReplaced(pid, each) : this.settles(pid, each, now, nowMs))
        changed = true;
    }
    for (const [pid, { isFirst }] of this.seen) if (isFirst && !now.has(pid)) changed = true;
    this.seen = now;
    return changed;
  }

  /** Looks at a young process. @returns whether it is a change: when it is new, when it has changed, and once when it settles */
  private settles(pid: number, each: Seen, others: ReadonlyMap<number, Seen>, nowMs: number): boolean {
    each.isSettled = nowMs - each.seenAtMs >= YOUNG_MS;
    const { facts } = each;
    this.read(pid, each, others);
    const hasChanged =
      facts?.netns !== each.facts?.netns || facts?.mountNamespace !== each.facts?.mountNamespace;
    return each.isFirst && (hasChanged || each.isSettled);
  }

  private read(pid: number, each: Seen, others: ReadonlyMap<number, Seen>): void {
    const facts = readProcess(this.procRoot, pid);
    if (!facts) return;
    each.facts = facts;
    const parent = (others.get(facts.parent) ?? this.seen.get(facts.parent))?.facts;
    each.isFirst = parent?.netns !== facts.netns || parent.mountNamespace !== facts.mountNamespace;
    if (each.isFirst) each.inode = this.inodeOf(pid);
  }

  private hasBeenReplaced(pid: number, { isFirst, inode }: Seen): boolean {
    return isFirst && inode !== this.inodeOf(pid);
  }

  private inodeOf(pid: number): number {
    return statSync(`${this.procRoot}/${pid}`, { throwIfNoEntry: false })?.ino ?? 0;
  }

  /** The mounts of the host, among them the namespaces of `ip netns`. */
  private haveMountsChanged(): boolean {
    let mounts: Buffer;
    try {
      mounts = readUpTo(`${this.procRoot}/1/mountinfo`, MAX_MOUNTINFO_BYTES);
    } catch {
      return false; // EACCES: then a scan does not see them either
    }
    if (mounts.equals(this.mounts)) return false;
    this.mounts = mounts;
    return true;
  }
}
