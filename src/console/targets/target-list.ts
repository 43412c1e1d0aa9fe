import { isSuccessor, keyOf, type Target } from './target.js';

/** Whether a target has just joined, has left, or neither. */
export type Presence = 'present' | 'joined' | 'left';

/** A target in the list; one that has left stays for some seconds. */
export interface TargetEntry {
  readonly key: string;
  readonly target: Target;
  readonly presence: Presence;
  /** When its presence changed, in milliseconds. */
  readonly since: number;
}

export type TargetList = ReadonlyMap<string, TargetEntry>;

export interface TargetEvent {
  readonly type: 'snapshot' | 'added' | 'changed' | 'removed';
  readonly targets: readonly Target[];
}

/** What joined and left is shown for this time. */
export const SHOWN_MS = 5_000;

/**
 * The list after an event. A snapshot after the first one, when the connection was lost, shows what has changed since.
 *
 * @param isFirst whether nothing is known yet: then nothing has joined
 */
export function applyEvent(
  list: TargetList,
  { type, targets }: TargetEvent,
  now: number,
  isFirst: boolean,
): TargetList {
  const next = new Map(list);
  const given = new Map(targets.map((target) => [keyOf(target), target]));
  if (type !== 'removed') {
    for (const [key, target] of given) {
      const known = list.get(key);
      const isKnown = known !== undefined && known.presence !== 'left';
      if (isKnown) next.set(key, { ...known, target });
      else next.set(key, { key, target, presence: isFirst ? 'present' : 'joined', since: now });
    }
  }
  if (type === 'changed' || type === 'added') return next;
  for (const [key, entry] of list) {
    const isGone = type === 'removed' ? given.has(key) : !given.has(key);
    if (isGone && entry.presence !== 'left') next.set(key, { ...entry, presence: 'left', since: now });
  }
  return next;
}

/** The list without what has left long ago, and with what joined long ago as the others; the same list if none has. */
export function settle(list: TargetList, now: number): TargetList {
  const old = [...list.values()].filter(
    ({ presence, since }) => presence !== 'present' && now - since >= SHOWN_MS,
  );
  if (old.length === 0) return list;
  const next = new Map(list);
  for (const entry of old) {
    if (entry.presence === 'left') next.delete(entry.key);
    else next.set(entry.key, { ...entry, presence: 'present' });
  }
  return next;
}

/**
 * The chosen targets as they are now. One that was started again takes the place of the one before; one that has left stays
 * chosen as it was, because it may be about to come back.
 */
export function updateChoice(
  choice: ReadonlyMap<string, Target>,
  list: TargetList,
): ReadonlyMap<string, Target> {
  let present: TargetEntry[] | undefined;
  const entries = [...choice].map(([key, target]): [string, Target] => {
    const entry = list.get(key);
    if (entry && entry.presence !== 'left') return [key, entry.target];
    present ??= [...list.values()].filter(({ presence }) => presence !== 'left');
    const successor = present.find((each) => isSuccessor(each.target, target));
    return successor ? [successor.key, successor.target] : [key, target];
  });
  return new Map(entries);
}
