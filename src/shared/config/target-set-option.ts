import { CaptureError } from '../protocol/capture-error.js';
import { parseTargetSelectors, type TargetSelector } from '../protocol/target-selector.js';
import type { OptionType } from './option-type.js';

/** A set of targets and the name by which the directory lists it. */
export interface NamedTargetSet {
  readonly name: string;
  readonly selectors: readonly TargetSelector[];
}

/** `*`, `compose:NAME` and `namespace:NAME` are the names of the sets that the directory makes itself. */
const NAME = /^(?!compose:|namespace:)[\w][\w .:/-]{0,127}$/;

const REQUIREMENT =
  'must be NAME=JSON, such as shop=[{"labels":{"app":"shop"}}]; a name has letters, digits and " .:/-_", and begins neither ' +
  'with "compose:" nor with "namespace:"';

/** Sets of targets: `NAME=JSON`, one per line. */
export const TARGET_SETS: OptionType<readonly NamedTargetSet[]> = {
  kind: 'lines',
  parse: (given) => {
    try {
      return parseTargetSets(given);
    } catch (error) {
      if (error instanceof CaptureError) return undefined;
      throw error;
    }
  },
  accepts: (value) => Array.isArray(value) && value.every(isNamedTargetSet),
  requirement: REQUIREMENT,
  explain: (given) => {
    try {
      parseTargetSets(given);
      return REQUIREMENT;
    } catch (error) {
      return (error as CaptureError).message;
    }
  },
};

/** @throws CaptureError whose message completes "--target-set ..." */
function parseTargetSets(given: string): NamedTargetSet[] {
  const lines = given.split('\n').filter((line) => line.trim() !== '');
  const sets = lines.map((line) => {
    const [name = '', json] = split(line.trim());
    if (!NAME.test(name) || json === undefined) {
      throw new CaptureError('invalid-request', `${REQUIREMENT}, not ${JSON.stringify(line)}`);
    }
    return { name, selectors: parseTargetSelectors(json, name) };
  });
  const twice = sets.find(({ name }, index) => sets.findIndex((each) => each.name === name) < index);
  if (twice) throw new CaptureError('invalid-request', `${twice.name} is given twice`);
  return sets;
}

function split(line: string): [name: string, json?: string] {
  const end = line.indexOf('=');
  return end < 0 ? [line] : [line.slice(0, end), line.slice(end + 1)];
}

function isNamedTargetSet(value: unknown): boolean {
  const { name, selectors } = (value ?? {}) as Record<keyof NamedTargetSet, unknown>;
  return typeof name === 'string' && NAME.test(name) && Array.isArray(selectors);
}
