import type { DirectoryEntry } from '../../discovery/target-directory.js';
import { CaptureError, excerpt } from '../../../shared/protocol/capture-error.js';
import type { CaptureTarget } from '../request/capture-target.js';

/** More would not fit a close reason (123 bytes). */
const MAX_LISTED = 2;

/**
 * Of several entries with the name that was asked for, the one which the client means: by namespace, then by
 * type. Entries that share their namespace mean the same thing, as when an engine's container is listed by two
 * engines.
 *
 * @returns undefined when there is none
 * @throws CaptureError `ambiguous-reference`, listing candidates
 */
export function chooseEntry(
  entries: readonly DirectoryEntry[],
  target: CaptureTarget,
): DirectoryEntry | undefined {
  const sameNetns = prefer(entries, (entry) => entry.netns === target.netns);
  const left = prefer(sameNetns, (entry) => entry.type === target.type);
  if (new Set(left.map((entry) => entry.netns)).size > 1) throw ambiguous(target, left);
  // One with a process can be verified more strictly.
  return left.find((entry) => entry.pid > 0 && entry.startTime > 0) ?? left[0];
}

/** Those that are wanted; where there are none, all. */
function prefer(
  entries: readonly DirectoryEntry[],
  isWanted: (entry: DirectoryEntry) => boolean,
): readonly DirectoryEntry[] {
  const wanted = entries.filter(isWanted);
  return wanted.length > 0 ? wanted : entries;
}

function ambiguous(target: CaptureTarget, entries: readonly DirectoryEntry[]): CaptureError {
  const listed = entries
    .slice(0, MAX_LISTED)
    .map(({ type, netns }) => `${excerpt(type).slice(0, 12)} in ${netns}`);
  const others = entries.length - listed.length;
  return new CaptureError(
    'ambiguous-reference',
    `"${excerpt(target.name ?? '')}" is ambiguous: ${listed.join(', ')}${others > 0 ? ` and ${others} more` : ''}`,
  );
}
