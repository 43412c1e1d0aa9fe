import {
  MAX_DURATION_SECONDS,
  MAX_FILTER_BYTES,
  MAX_INTERFACE_NAME_BYTES,
  MAX_PACKETS_OR_BYTES,
  MAX_SNAPSHOT_LENGTH,
  MAX_TARGET_NAME_LENGTH,
} from '../../shared/protocol/limits.js';
import {
  describeSelectors,
  MAX_SELECTORS,
  parseTargetSelectors,
  type TargetSelector,
} from '../../shared/protocol/target-selector.js';
import { titleOf, type Target } from '../targets/target.js';

/** The parameters of a capture by their names in the query, see docs/api.md; those without a value are empty. */
export type CaptureParameters = Readonly<Record<string, string>>;

/** What to capture from. */
export type Selection =
  | { readonly kind: 'targets'; readonly targets: readonly Target[] }
  | { readonly kind: 'rule'; readonly selectors: readonly TargetSelector[] };

/** The form as the user has filled it in; an empty text is no limit. */
export interface CaptureForm {
  /** Names separated by blanks; empty: all interfaces. */
  readonly interfaces: string;
  readonly filter: string;
  readonly duration: Limit;
  readonly bytes: Limit;
  readonly packets: string;
  readonly snapshotLength: string;
  readonly follow: boolean;
  readonly direction: boolean;
  readonly noPromiscuousMode: boolean;
}

/** A number as it was entered, and the seconds or bytes of its unit. */
export interface Limit {
  readonly amount: string;
  readonly unit: number;
}

export const EMPTY_FORM: CaptureForm = {
  interfaces: '',
  filter: '',
  duration: { amount: '', unit: 60 },
  bytes: { amount: '', unit: 1_000_000 },
  packets: '',
  snapshotLength: '',
  follow: false,
  direction: false,
  noPromiscuousMode: false,
};

/** What to ask the service for, or why that cannot be asked. */
export type CaptureRequest =
  | { readonly kind: 'ready'; readonly parameters: CaptureParameters; readonly title: string }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'problem'; readonly problem: string };

class RequestProblem extends Error {}

/** The request for a selection and a form, as query parameters. */
export function captureRequest(selection: Selection, form: CaptureForm): CaptureRequest {
  if (selection.kind === 'targets' && selection.targets.length === 0) return { kind: 'nothing' };
  try {
    const interfaces = interfacesOf(form.interfaces);
    return {
      kind: 'ready',
      parameters: {
        ...parametersOf(selection, interfaces),
        ...(interfaces.length > 0 && { nif: interfaces.join('/') }),
        ...filterOf(form.filter),
        ...limit('duration', 'The duration', form.duration, MAX_DURATION_SECONDS),
        ...limit('max-bytes', 'The size', form.bytes, MAX_PACKETS_OR_BYTES),
        ...limit(
          'max-packets',
          'The number of packets',
          { amount: form.packets, unit: 1 },
          MAX_PACKETS_OR_BYTES,
        ),
        ...limit(
          'snaplen',
          'The snapshot length',
          { amount: form.snapshotLength, unit: 1 },
          MAX_SNAPSHOT_LENGTH,
        ),
        ...(form.follow && canFollow(selection) && { follow: '' }),
        ...(form.direction && { direction: '' }),
        ...(form.noPromiscuousMode && { chaste: '' }),
      },
      title: titleOfSelection(selection),
    };
  } catch (error) {
    if (error instanceof RequestProblem) return { kind: 'problem', problem: error.message };
    throw error;
  }
}

/** A set goes on with the next target of a name anyway. */
export function canFollow(selection: Selection): boolean {
  if (selection.kind === 'rule') return false;
  const [target, ...others] = selection.targets;
  return target !== undefined && others.length === 0 && hasUsableName(target);
}

function parametersOf(selection: Selection, interfaces: readonly string[]): CaptureParameters {
  if (selection.kind === 'rule') return { targets: JSON.stringify(selection.selectors) };
  const [target, ...others] = selection.targets;
  if (target && others.length === 0) return { container: JSON.stringify(containerOf(target, interfaces)) };
  return { targets: JSON.stringify(selectorsOf(selection.targets)) };
}

function containerOf(target: Target, interfaces: readonly string[]): object {
  const { netns, pid, starttime, name, prefix, type, node } = target;
  return {
    netns,
    pid,
    starttime,
    // Without the name, it is found by its namespace alone.
    ...(hasUsableName(target) && { name, prefix }),
    type,
    'node-name': node,
    'network-interfaces': interfaces.length > 0 ? interfaces : ['any'],
  };
}

function hasUsableName({ name, prefix }: Target): boolean {
  return name !== '' && name.length <= MAX_TARGET_NAME_LENGTH && prefix.length <= MAX_TARGET_NAME_LENGTH;
}

function selectorsOf(targets: readonly Target[]): TargetSelector[] {
  const selectors = new Map<string, TargetSelector>();
  for (const target of targets) {
    const { name, type, prefix } = target;
    const problem = whyNotInSet(target);
    if (problem)
      throw new RequestProblem(`“${titleOf(target).slice(0, 60)}” can only be captured alone: ${problem}.`);
    const selector = { name, type, prefix };
    selectors.set(JSON.stringify(selector), selector);
  }
  if (selectors.size > MAX_SELECTORS) {
    throw new RequestProblem(
      `At most ${MAX_SELECTORS} targets can be chosen, but there are ${selectors.size}. A rule can match any number.`,
    );
  }
  return [...selectors.values()];
}

function whyNotInSet({ name, type, prefix }: Target): string | undefined {
  if (name === '') return 'it has no name';
  // There is no way to escape them, and other targets could match.
  if (/[*?]/.test(name)) return 'its name contains * or ?, which would match others as well';
  try {
    parseTargetSelectors(JSON.stringify([{ name, type, prefix }]));
    return undefined;
  } catch {
    return 'its name is too long'; // CaptureError: nothing else can be wrong with these attributes
  }
}

function interfacesOf(text: string): string[] {
  const names = [...new Set(text.split(/\s+/).filter(Boolean))];
  for (const name of names) {
    const isTooLong = new TextEncoder().encode(name).length > MAX_INTERFACE_NAME_BYTES;
    if (!isTooLong && !/[/:]/.test(name)) continue;
    const problem = isTooLong ? `is longer than ${MAX_INTERFACE_NAME_BYTES} bytes` : 'contains / or :';
    throw new RequestProblem(`No interface can be called “${name.slice(0, 60)}”: it ${problem}.`);
  }
  return names;
}

function filterOf(text: string): CaptureParameters {
  const filter = text.trim();
  if (filter === '') return {};
  if (new TextEncoder().encode(filter).length > MAX_FILTER_BYTES) {
    throw new RequestProblem(`The capture filter is longer than ${MAX_FILTER_BYTES} bytes.`);
  }
  return { filter };
}

function limit(parameter: string, title: string, { amount, unit }: Limit, max: number): CaptureParameters {
  const text = amount.trim();
  if (text === '') return {};
  const pattern = unit === 1 ? /^\d+$/ : /^\d+(\.\d+)?$/;
  const value = Number(text);
  if (pattern.test(text) && value > 0 && value * unit <= max) {
    return { [parameter]: String(Math.max(1, Math.round(value * unit))) };
  }
  // Without separators of thousands, as the field accepts it.
  const most = Math.floor((max / unit) * 1000) / 1000;
  throw new RequestProblem(
    unit === 1
      ? `${title} must be a whole number from 1 to ${most}.`
      : `${title} must be more than 0 and at most ${most}.`,
  );
}

function titleOfSelection(selection: Selection): string {
  if (selection.kind === 'rule') return describeSelectors(selection.selectors);
  const [first, ...others] = selection.targets.map(titleOf);
  return others.length === 0 ? (first ?? '') : `${first} and ${others.length} more`;
}
