import { CaptureError } from '../../shared/protocol/capture-error.js';
import {
  parseTargetSelectors,
  PROJECT_LABELS,
  type TargetSelector,
} from '../../shared/protocol/target-selector.js';

/** A rule is a text that says which targets to capture from, see {@link parseRule}. */
export type Rule =
  | { readonly kind: 'empty' }
  | { readonly kind: 'invalid'; readonly problem: string }
  | {
      readonly kind: 'valid';
      readonly selectors: readonly TargetSelector[];
      /** For people, one for each alternative. */
      readonly descriptions: readonly string[];
    };

/** Attributes of targets, as they are written before `=`. Anything else is the key of a label. */
const ATTRIBUTES = ['name', 'type', 'namespace', 'node', 'prefix'] as const;
const PROJECT = 'project';
/** Before the key of a label that is called like an attribute. */
const LABEL = 'label:';

/** A piece of a rule: a comma, or a text in which quotes have been removed. */
type Token = { readonly text: string; readonly isComma: boolean };

class RuleError extends Error {}

/**
 * Parses a rule: alternatives separated by commas, each of conditions separated by blanks that must all hold. A condition is
 * a name or pattern (`shop/*`), an attribute (`type=pod`), or a label (`app=web`). `*` alone means all containers and pods.
 * Double quotes enclose blanks and commas.
 */
export function parseRule(text: string): Rule {
  try {
    const alternatives = alternativesOf(text);
    if (alternatives.length === 0) return { kind: 'empty' };
    const parsed = alternatives.map(parseAlternative);
    const selectors = parsed.flatMap((each) => each.selectors);
    return {
      kind: 'valid',
      selectors: parseTargetSelectors(JSON.stringify(selectors), 'The rule'),
      descriptions: parsed.map(({ description }) => description),
    };
  } catch (error) {
    if (error instanceof RuleError || error instanceof CaptureError) {
      return { kind: 'invalid', problem: `${error.message}.` };
    }
    throw error;
  }
}

/**
 * Quotes a value where a rule needs it.
 *
 * @returns undefined for a value with a double quote, which a rule cannot express
 */
export function quotedForRule(value: string): string | undefined {
  if (value.includes('"')) return undefined;
  return /^[^\s,]+$/.test(value) ? value : `"${value}"`;
}

function alternativesOf(text: string): string[][] {
  const alternatives: string[][] = [[]];
  for (const { text: condition, isComma } of tokensOf(text)) {
    if (isComma) alternatives.push([]);
    else alternatives.at(-1)?.push(condition);
  }
  return alternatives.filter((conditions) => conditions.length > 0);
}

function tokensOf(text: string): Token[] {
  return [...text.matchAll(/,|(?:[^\s,"]|"[^"]*(?:"|$))+/g)].map(([token]) => {
    if ((token.split('"').length - 1) % 2 === 1) throw new RuleError('A quote is missing');
    return { text: token.replaceAll('"', ''), isComma: token === ',' };
  });
}

function parseAlternative(conditions: readonly string[]): {
  selectors: TargetSelector[];
  description: string;
} {
  const texts: Partial<Record<(typeof ATTRIBUTES)[number], string>> = {};
  const labels: Record<string, string> = {};
  let project: string | undefined;
  const once = (what: string, isGiven: boolean): void => {
    if (isGiven) throw new RuleError(`${what} is given twice; put a comma between alternatives`);
  };
  for (const condition of conditions) {
    const end = condition.indexOf('=');
    const key = end > 0 ? condition.slice(0, end) : 'name';
    const value = end > 0 ? condition.slice(end + 1) : condition;
    const attribute = ATTRIBUTES.find((each) => each === key);
    if (key === PROJECT) {
      once('project', project !== undefined);
      project = value;
    } else if (attribute) {
      once(attribute, texts[attribute] !== undefined);
      texts[attribute] = value;
    } else {
      const label = key.startsWith(LABEL) ? key.slice(LABEL.length) : key;
      once(`The label ${label}`, Object.hasOwn(labels, label));
      Object.defineProperty(labels, label, { value, enumerable: true }); // may be called __proto__
    }
  }
  const description = describe(texts, labels, project);
  // Without a name, targets that share the network of the host are left out, as `*` should.
  if (texts.name === '*') delete texts.name;
  const selectorWith = (all: Record<string, string>): TargetSelector => ({
    ...texts,
    ...(Object.keys(all).length > 0 && { labels: all }),
  });
  return {
    description,
    selectors:
      project === undefined
        ? [selectorWith(labels)]
        : PROJECT_LABELS.map((label) => selectorWith({ ...labels, [label]: project })),
  };
}

function describe(
  { name, type, namespace, node, prefix }: Partial<Record<(typeof ATTRIBUTES)[number], string>>,
  labels: Readonly<Record<string, string>>,
  project: string | undefined,
): string {
  const conditions = [
    ...(name === undefined || name === '*' ? [] : [`${/[*?]/.test(name) ? 'name like' : 'name'} ${name}`]),
    ...(namespace === undefined ? [] : [`in namespace ${namespace}`]),
    ...(project === undefined ? [] : [`of Compose project ${project}`]),
    ...(node === undefined ? [] : [`on host ${node}`]),
    ...(prefix === undefined ? [] : [prefix === '' ? 'without a prefix' : `in ${prefix}`]),
    ...Object.entries(labels).map(([key, value]) => `label ${key} is ${value || 'empty'}`),
  ];
  const what = type === undefined ? 'containers and pods' : `targets of type ${type}`;
  return conditions.length === 0 ? `all ${what}` : `${what}: ${conditions.join(', ')}`;
}
