import { printable } from '../printable.js';
import { CaptureError } from './capture-error.js';
import { isRecord } from '../is-record.js';

/** Maximum number of selectors of a set. */
export const MAX_SELECTORS = 64;
/** Longest text of a selector, in characters. */
const MAX_TEXT_LENGTH = 1024;
/** Of all patterns with * or ? in a set, in characters: each may have to be compared with each character of each name. */
const MAX_PATTERN_CHARACTERS = 2048;
/** In characters. */
const MAX_SET_NAME_LENGTH = 512;
/** Of one selector. */
const MAX_LABELS = 64;

/**
 * Selects targets: those that fit all attributes given. Without any, it selects every container and pod.
 *
 * @publicApi
 */
export interface TargetSelector {
  /**
   * Exact, or a pattern in which `*` stands for any text and `?` for any character. In Kubernetes it may be the name of a Deployment, a
   * StatefulSet, ... with its namespace before it, too.
   */
  readonly name?: string;
  /** `docker`, `podman`, `pod`, `proc`, ...; absent: any but processes and bind mounts. */
  readonly type?: string;
  readonly prefix?: string;
  /** Kubernetes namespace of a pod. */
  readonly namespace?: string;
  /** Name of the host. */
  readonly node?: string;
  /** Labels that the target must have with these values, and perhaps others. */
  readonly labels?: Readonly<Record<string, string>>;
}

const TEXTS = ['name', 'type', 'prefix', 'namespace', 'node'] as const satisfies (keyof TargetSelector)[];
const ATTRIBUTES: readonly string[] = [...TEXTS, 'labels'];

/**
 * Parses an array of selectors in JSON.
 *
 * @param what where it comes from; errors begin with it
 * @throws CaptureError `invalid-request`, whose message names the selector and the attribute
 */
export function parseTargetSelectors(json: string, what = 'targets'): TargetSelector[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (cause) {
    throw invalid(what, 'is not valid JSON', cause);
  }
  if (!Array.isArray(parsed)) throw invalid(what, 'must be an array of selectors');
  if (parsed.length === 0) throw invalid(what, 'must have at least one selector');
  if (parsed.length > MAX_SELECTORS) throw invalid(what, `must have at most ${MAX_SELECTORS} selectors`);
  const selectors = parsed.map((selector, index) => toSelector(selector, `${what}[${index}]`));
  const patterns = selectors.flatMap(({ name = '' }) => (WILDCARD.test(name) ? name : []));
  if (patterns.join('').length > MAX_PATTERN_CHARACTERS) {
    throw invalid(what, `must have at most ${MAX_PATTERN_CHARACTERS} characters in all patterns`);
  }
  return selectors;
}

function toSelector(value: unknown, what: string): TargetSelector {
  if (!isRecord(value)) throw invalid(what, 'must be an object');
  // An attribute that is written wrongly would select more than is meant.
  const unknown = Object.keys(value).find((attribute) => !ATTRIBUTES.includes(attribute));
  if (unknown !== undefined) throw invalid(what, `must have no attributes but ${ATTRIBUTES.join(', ')}`);
  const texts = TEXTS.flatMap((attribute) => {
    const text = Object.hasOwn(value, attribute) ? value[attribute] : undefined;
    return text === undefined || text === null ? [] : [[attribute, toText(text, `${what}.${attribute}`)]];
  });
  const labels = Object.hasOwn(value, 'labels') ? value['labels'] : undefined;
  return {
    ...(Object.fromEntries(texts) as Pick<TargetSelector, (typeof TEXTS)[number]>),
    ...(labels !== undefined && labels !== null && { labels: toLabels(labels, `${what}.labels`) }),
  };
}

function toLabels(value: unknown, what: string): Record<string, string> {
  if (!isRecord(value)) throw invalid(what, 'must be an object of strings');
  const entries = Object.entries(value);
  if (entries.length > MAX_LABELS) throw invalid(what, `must have at most ${MAX_LABELS} labels`);
  for (const [key, text] of entries) {
    if (typeof text !== 'string') throw invalid(what, 'must be an object of strings');
    for (const each of [key, text]) toText(each, what);
  }
  return Object.fromEntries(entries) as Record<string, string>;
}

function toText(value: unknown, what: string): string {
  if (typeof value !== 'string') throw invalid(what, 'must be a string');
  if (value.length > MAX_TEXT_LENGTH) throw invalid(what, `must have at most ${MAX_TEXT_LENGTH} characters`);
  return value.toWellFormed();
}

function invalid(what: string, problem: string, cause?: unknown): CaptureError {
  return new CaptureError('invalid-request', `${what} ${problem}`, { cause });
}

/** The attributes of a target that selectors look at. */
export interface SelectableTarget {
  readonly name: string;
  readonly type: string;
  readonly prefix: string;
  readonly namespace: string;
  /** Name of its host. */
  readonly node: string;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** `namespace/name` of what the pod belongs to, such as a Deployment. */
  readonly workload?: string | undefined;
}

/** A target in a list, from which its host's own network namespace can be told. */
export interface ListedSelectableTarget extends SelectableTarget {
  /** Inode number of the network namespace. */
  readonly netns: number;
  /** Process in it; 0: none. */
  readonly pid: number;
}

/**
 * Selects from a list of targets. A selector with a name or labels means targets that share the network of their host, too;
 * one that selects all containers does not.
 */
export function selectionOf(
  selectors: readonly TargetSelector[],
): <Target extends ListedSelectableTarget>(targets: readonly Target[]) => Target[] {
  const matchers = selectors.map((each) => ({
    matches: matcherOf(each),
    isSpecific: each.name !== undefined || each.labels !== undefined,
  }));
  return (targets) => {
    const firstProcesses = targets.filter(({ type, pid }) => type === 'proc' && pid === 1);
    const hostNamespaces = new Map(firstProcesses.map(({ node, netns }) => [node, netns]));
    return targets.filter((target) => {
      const isOfHost = hostNamespaces.get(target.node) === target.netns;
      return matchers.some(({ matches, isSpecific }) => (isSpecific || !isOfHost) && matches(target));
    });
  };
}

/** Labels of Docker Compose and podman-compose that name the project of a container. */
export const PROJECT_LABELS = ['com.docker.compose.project', 'io.podman.compose.project'];

/** Types that only a selector with that type selects. */
const SELECTED_BY_TYPE_ONLY: ReadonlySet<string> = new Set(['proc', 'bindmount']);

/** @returns whether a selector selects a target */
export function matcherOf(selector: TargetSelector): (target: SelectableTarget) => boolean {
  const { name, type, prefix, namespace, node } = selector;
  const labels = Object.entries(selector.labels ?? {});
  const isNamed = name === undefined ? undefined : patternOf(name);
  return (target) => {
    if (type === undefined ? SELECTED_BY_TYPE_ONLY.has(target.type) : type !== target.type) return false;
    if (prefix !== undefined && prefix !== target.prefix) return false;
    if (namespace !== undefined && namespace !== target.namespace) return false;
    if (node !== undefined && node !== target.node) return false;
    if (labels.some(([key, value]) => !hasLabel(target, key, value))) return false;
    if (isNamed === undefined || isNamed(target.name)) return true;
    return target.workload !== undefined && isNamed(target.workload);
  };
}

function hasLabel({ labels }: SelectableTarget, key: string, value: string): boolean {
  return labels !== undefined && Object.hasOwn(labels, key) && labels[key] === value;
}

const WILDCARD = /[*?]/;

/** @returns whether a text fits a pattern, in which `*` stands for any text and `?` for any character */
export function patternOf(pattern: string): (text: string) => boolean {
  if (!WILDCARD.test(pattern)) return (text) => text === pattern;
  const wanted = [...pattern];
  return (text) => fits(wanted, [...text]);
}

/** It goes back to the last star only, so the time is at most the product of the lengths. */
function fits(wanted: readonly string[], given: readonly string[]): boolean {
  let at = 0;
  /** Index of the last star, and where in the text what follows it is tried. */
  let star = -1;
  let retry = 0;
  for (let i = 0; i < given.length;) {
    if (wanted[at] === '*') {
      star = at++;
      retry = i;
    } else if (at < wanted.length && (wanted[at] === '?' || wanted[at] === given[i])) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++retry;
    } else {
      return false;
    }
  }
  while (wanted[at] === '*') at++;
  return at === wanted.length;
}

/** Name of a set in a list of targets and in the log, where other names are short, too. */
export function nameOfSet(selectors: readonly TargetSelector[]): string {
  return printable(describeSelectors(selectors), MAX_SET_NAME_LENGTH);
}

/** For people: what selectors select, in one line. */
export function describeSelectors(selectors: readonly TargetSelector[]): string {
  const texts = selectors.map(({ labels = {}, ...texts }) =>
    [
      ...Object.entries(texts).map(([attribute, text]) =>
        attribute === 'name' ? text : `${attribute}=${text}`,
      ),
      ...Object.entries(labels).map(([key, value]) => `${key}=${value}`),
    ].join(' '),
  );
  return texts.map((text) => text || '*').join(', ');
}
