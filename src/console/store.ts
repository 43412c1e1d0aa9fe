import { batch, computed, signal } from '@preact/signals';
import {
  captureRequest,
  EMPTY_FORM,
  type CaptureForm,
  type CaptureParameters,
  type CaptureRequest,
  type Selection,
} from './capture/capture-request.js';
import { filterState } from './capture/filter-check.js';
import { askJson, serviceUrl } from './service.js';
import { groupsOf, searchOf, type Grouping, type TargetGroup } from './targets/grouping.js';
import { parseRule } from './targets/rule.js';
import {
  applyEvent,
  settle,
  SHOWN_MS,
  updateChoice,
  type TargetEntry,
  type TargetEvent,
  type TargetList,
} from './targets/target-list.js';
import { watchTargets, type Connection } from './targets/target-stream.js';
import { selectionOf } from '../shared/protocol/target-selector.js';
import { isContainer, type Target } from './targets/target.js';

/* The state of the page. Components read it; the functions at the end change it. */

/** The version of the service; empty until it is known. */
export const version = signal('');
export const connection = signal<Connection>({ kind: 'connecting' });
/** Undefined until the service has listed them. */
export const list = signal<TargetList | undefined>(undefined);

/** How targets are selected: by choosing them, or by a rule. */
export type Mode = 'choice' | 'rule';
export const mode = signal<Mode>('choice');
export const choice = signal<ReadonlyMap<string, Target>>(new Map());
export const ruleText = signal('');

export const grouping = signal<Grouping>('type');
export const search = signal('');
/** Whether processes and bind mounts are listed, too. */
export const showsProcesses = signal(false);
/** Groups that are collapsed, as grouping and value. */
export const collapsed = signal<ReadonlySet<string>>(new Set());

export const form = signal<CaptureForm>(EMPTY_FORM);
/** The capture that is watched in the page. */
export const watched = signal<{ readonly parameters: CaptureParameters; readonly title: string } | undefined>(
  undefined,
);
/** For screen readers: what has happened in the list. */
export const announcement = signal('');

export const rule = computed(() => parseRule(ruleText.value));

/** The targets that exist now. */
export const present = computed(() =>
  [...(list.value?.values() ?? [])].filter(({ presence }) => presence !== 'left').map(({ target }) => target),
);
export const containerCount = computed(() => present.value.filter(isContainer).length);

/** Targets that the rule selects now; undefined: there is no valid rule. */
export const matching = computed<ReadonlySet<Target> | undefined>(() =>
  mode.value === 'rule' && rule.value.kind === 'valid'
    ? new Set(selectionOf(rule.value.selectors)(present.value))
    : undefined,
);

/** The targets that search and rule find, as groups. */
export const groups = computed<readonly TargetGroup[]>(() => {
  const all = [...(list.value?.values() ?? [])];
  return groupsOf(all.filter(isShown()), grouping.value);
});

/** Found by the search, but not listed because they are processes. */
export const hiddenCount = computed(() => {
  if (showsProcesses.value || mode.value === 'rule') return 0;
  const isFound = searchOf(search.value);
  return present.value.filter((target) => !isContainer(target) && isFound(target)).length;
});

function isShown(): (entry: TargetEntry) => boolean {
  const matches = matching.value;
  if (matches) return ({ target }) => matches.has(target);
  const isFound = mode.value === 'rule' ? () => true : searchOf(search.value);
  const withProcesses = showsProcesses.value;
  const chosen = choice.value;
  return ({ key, target }) =>
    (withProcesses || isContainer(target) || (mode.value === 'choice' && chosen.has(key))) && isFound(target);
}

export const selection = computed<Selection>(() => {
  if (mode.value === 'choice') return { kind: 'targets', targets: [...choice.value.values()] };
  return rule.value.kind === 'valid'
    ? { kind: 'rule', selectors: rule.value.selectors }
    : { kind: 'targets', targets: [] };
});

/** The selected targets: those that were chosen, also if they have left, or those that match the rule now. */
export const selectedTargets = computed<readonly Target[]>(() =>
  mode.value === 'choice' ? [...choice.value.values()] : [...(matching.value ?? [])],
);

export const request = computed<CaptureRequest>(() => {
  const asked = captureRequest(selection.value, form.value);
  if (asked.kind !== 'ready' || filterState.value.kind !== 'invalid') return asked;
  return { kind: 'problem', problem: 'The capture filter is not valid.' };
});

/** Connects again at once. */
export let reconnect: () => void = () => undefined;

/** Begins to listen to the service. */
export function begin(): void {
  reconnect = watchTargets({
    onEvent: apply,
    onConnection: (now) => (connection.value = now),
  });
  void askJson<{ version: string }>(serviceUrl('version'))
    .then((answer) => (version.value = answer.version))
    .catch(() => undefined); // the list of targets says what is wrong
}

function apply(event: TargetEvent): void {
  const before = list.value;
  const after = applyEvent(before ?? new Map(), event, Date.now(), before === undefined);
  batch(() => {
    list.value = after;
    if (choice.value.size > 0) choice.value = updateChoice(choice.value, after);
  });
  if (before === undefined) return;
  announce(event, before, after);
  setTimeout(() => {
    if (list.value) list.value = settle(list.value, Date.now());
  }, SHOWN_MS + 50);
}

/** Changes are announced together, as a screen reader reads each announcement to its end. */
const ANNOUNCE_MS = 3_000;
let changes = { joined: 0, left: 0 };
let announcing = false;

function announce({ targets }: TargetEvent, before: TargetList, after: TargetList): void {
  const isNew = ({ key, target, presence }: TargetEntry): boolean =>
    before.get(key)?.presence !== presence && (showsProcesses.value || isContainer(target));
  if (targets.length === 0) return;
  for (const entry of after.values()) {
    if (entry.presence !== 'present' && isNew(entry)) changes[entry.presence]++;
  }
  if (announcing || changes.joined + changes.left === 0) return;
  announcing = true;
  announcement.value = ''; // the same text again would be no change, and not be read
  setTimeout(() => {
    const { joined, left } = changes;
    const parts = [...(joined > 0 ? [`${joined} joined`] : []), ...(left > 0 ? [`${left} left`] : [])];
    announcement.value = `Targets: ${parts.join(', ')}.`;
    changes = { joined: 0, left: 0 };
    announcing = false;
  }, ANNOUNCE_MS);
}

/** Adds targets to the choice, or removes them. */
export function choose(members: readonly TargetEntry[], isChosen: boolean): void {
  const next = new Map(choice.value);
  for (const { key, target, presence } of members) {
    if (!isChosen) next.delete(key);
    else if (presence !== 'left') next.set(key, target);
  }
  choice.value = next;
}

export function setForm(changed: Partial<CaptureForm>): void {
  form.value = { ...form.value, ...changed };
}

/** Selects by a rule from now on. */
export function selectByRule(text: string): void {
  batch(() => {
    mode.value = 'rule';
    ruleText.value = text;
  });
}

export function toggleCollapsed(id: string): void {
  const next = new Set(collapsed.value);
  if (!next.delete(id)) next.add(id);
  collapsed.value = next;
}
