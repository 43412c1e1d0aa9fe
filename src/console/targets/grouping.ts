import type { TargetEntry } from './target-list.js';
import type { Target } from './target.js';

/** The attributes by which targets can be grouped. */
export const GROUPINGS = ['type', 'node', 'project', 'namespace'] as const;
export type Grouping = (typeof GROUPINGS)[number];

export const GROUPING_TITLES: Readonly<Record<Grouping, string>> = {
  type: 'Type',
  node: 'Host',
  project: 'Compose project',
  namespace: 'Pod namespace',
};

/** Targets with the same value of the attribute; empty: those without one. */
export interface TargetGroup {
  readonly value: string;
  readonly members: readonly TargetEntry[];
}

const collator = new Intl.Collator('en', { numeric: true });
/** Long names only cost time to compare. */
const MAX_COMPARED_CHARACTERS = 256;

/** The groups in the order of their values, each in the order of names; those without a value come last. */
export function groupsOf(entries: Iterable<TargetEntry>, grouping: Grouping): TargetGroup[] {
  const groups = new Map<string, TargetEntry[]>();
  for (const each of entries) {
    const value = each.target[grouping];
    const members = groups.get(value);
    if (members) members.push(each);
    else groups.set(value, [each]);
  }
  return [...groups]
    .sort(([a], [b]) => Number(a === '') - Number(b === '') || compare(a, b))
    .map(([value, members]) => ({
      value,
      members: members.sort((a, b) => compare(a.target.name, b.target.name)),
    }));
}

function compare(a: string, b: string): number {
  return collator.compare(a.slice(0, MAX_COMPARED_CHARACTERS), b.slice(0, MAX_COMPARED_CHARACTERS));
}

/** @returns whether a target has all words of the text, in any of its attributes */
export function searchOf(text: string): (target: Target) => boolean {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return (target) => words.length === 0 || words.every((word) => searchable(target).includes(word));
}

/** Targets are compared with each letter that is typed. */
const searchables = new WeakMap<Target, string>();

function searchable(target: Target): string {
  let text = searchables.get(target);
  if (text === undefined) {
    const { name, type, image, prefix, node, namespace, project, labels } = target;
    const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    text = [name, type, image, prefix, node, namespace, project, ...pairs].join('\n').toLowerCase();
    searchables.set(target, text);
  }
  return text;
}
