import type { ComponentChildren } from 'preact';
import { numberText } from '../numbers.js';
import { choose, form, list, mode, request, selectedTargets, selection, setForm } from '../store.js';
import { keyOf, titleOf, type Target } from '../targets/target.js';
import { visibleText } from '../visible-text.js';
import { Actions } from './actions.js';
import { canFollow, type CaptureForm } from './capture-request.js';
import { checkFilter, filterState } from './filter-check.js';
import './capture.css';

const MAX_CHIPS = 24;
const MAX_INTERFACES = 48;

/** What to capture, how, and where the packets go. */
export function CapturePanel() {
  return (
    <section class="panel capture" aria-labelledby="capture-title">
      <header class="bar">
        <h2 id="capture-title">Capture</h2>
      </header>
      <div class="form">
        <Selected />
        <FilterField />
        <InterfaceField />
        <Limits />
        <Options />
      </div>
      <Actions />
    </section>
  );
}

function Selected() {
  const targets = selectedTargets.value;
  if (mode.value === 'rule') {
    return (
      <p class="selected hint">
        {request.value.kind === 'nothing'
          ? 'Write a rule to say what to capture from.'
          : `All targets that match the rule, now ${numberText(targets.length)}.`}
      </p>
    );
  }
  const [only, ...others] = targets;
  if (!only) return <p class="selected hint">Choose one or more targets.</p>;
  return (
    <div class="selected">
      <ul class="chips" aria-label="Chosen targets">
        {targets.slice(0, MAX_CHIPS).map((target) => (
          <Chip key={keyOf(target)} target={target} />
        ))}
        {targets.length > MAX_CHIPS && <li class="hint">and {targets.length - MAX_CHIPS} more</li>}
      </ul>
      {others.length === 0 && <Facts target={only} />}
    </div>
  );
}

function Chip({ target }: { readonly target: Target }) {
  const key = keyOf(target);
  const entry = list.value?.get(key);
  const isGone = !entry || entry.presence === 'left';
  const title = visibleText(titleOf(target), 80);
  return (
    <li class={isGone ? 'chip gone' : 'chip'}>
      <bdi title={visibleText(titleOf(target), 1000)}>{title}</bdi>
      {isGone && <span class="badge gone">left</span>}
      <button
        type="button"
        aria-label={`Remove ${title}`}
        onClick={() => {
          const gone = { key, target, presence: 'left', since: 0 } as const;
          choose([entry ?? gone], false);
        }}
      >
        <span aria-hidden="true">×</span>
      </button>
    </li>
  );
}

function Facts({ target }: { readonly target: Target }) {
  const facts = [
    ['Namespace', String(target.netns)],
    ['Process', target.pid === 0 ? '' : String(target.pid)],
    ['Image', target.image],
    ['Host', target.node],
  ].filter(([, value]) => value !== '');
  return (
    <dl class="facts">
      {facts.map(([name, value = '']) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd title={visibleText(value, 1000)}>
            <bdi>{visibleText(value)}</bdi>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function FilterField() {
  const state = filterState.value;
  const messages = {
    empty: 'Everything is captured.',
    checking: 'Checking…',
    valid: 'The filter is valid.',
    invalid: '',
    unknown: '',
  };
  const message = 'message' in state ? visibleText(state.message, 400) : messages[state.kind];
  return (
    <div class="entry">
      <label for="filter">Capture filter</label>
      <input
        id="filter"
        class="mono"
        type="text"
        placeholder="tcp port 80"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        aria-describedby="filter-state"
        aria-invalid={state.kind === 'invalid'}
        value={form.value.filter}
        onInput={({ currentTarget }) => {
          setForm({ filter: currentTarget.value });
          checkFilter(currentTarget.value);
        }}
      />
      <p id="filter-state" class={`state ${state.kind}`} role="status">
        {message}
      </p>
    </div>
  );
}

function InterfaceField() {
  const known = [...new Set(selectedTargets.value.flatMap(({ interfaces }) => interfaces))].sort();
  const words = form.value.interfaces.split(/\s+/).filter(Boolean);
  const toggle = (name: string): void => {
    const next = words.includes(name) ? words.filter((word) => word !== name) : [...words, name];
    setForm({ interfaces: next.join(' ') });
  };
  return (
    <div class="entry">
      <label for="interfaces">Interfaces</label>
      <input
        id="interfaces"
        class="mono"
        type="text"
        placeholder="all, also those that appear later"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        value={form.value.interfaces}
        onInput={({ currentTarget }) => setForm({ interfaces: currentTarget.value })}
      />
      {known.length > 0 && (
        <div class="toggles" role="group" aria-label="Known interfaces">
          {known.slice(0, MAX_INTERFACES).map((name) => (
            <button key={name} type="button" aria-pressed={words.includes(name)} onClick={() => toggle(name)}>
              <bdi>{visibleText(name, 20)}</bdi>
            </button>
          ))}
          {known.length > MAX_INTERFACES && (
            <span class="hint">and {known.length - MAX_INTERFACES} more</span>
          )}
        </div>
      )}
    </div>
  );
}

const TIME_UNITS = [
  ['s', 1],
  ['min', 60],
  ['h', 3600],
] as const;
const SIZE_UNITS = [
  ['kB', 1_000],
  ['MB', 1_000_000],
  ['GB', 1_000_000_000],
] as const;

function Limits() {
  const { duration, bytes, packets, snapshotLength } = form.value;
  return (
    <fieldset class="limits">
      <legend>
        Limits <span class="hint">empty: none</span>
      </legend>
      <NumberField
        title="Duration"
        value={duration.amount}
        onInput={(amount) => setForm({ duration: { ...duration, amount } })}
      >
        <UnitField
          title="Unit of the duration"
          units={TIME_UNITS}
          value={duration.unit}
          onChange={(unit) => setForm({ duration: { ...duration, unit } })}
        />
      </NumberField>
      <NumberField
        title="Size"
        value={bytes.amount}
        onInput={(amount) => setForm({ bytes: { ...bytes, amount } })}
      >
        <UnitField
          title="Unit of the size"
          units={SIZE_UNITS}
          value={bytes.unit}
          onChange={(unit) => setForm({ bytes: { ...bytes, unit } })}
        />
      </NumberField>
      <NumberField title="Packets" value={packets} onInput={(text) => setForm({ packets: text })} />
      <NumberField
        title="Snaplen"
        hint="Snapshot length: bytes kept of each packet"
        value={snapshotLength}
        onInput={(text) => setForm({ snapshotLength: text })}
      />
    </fieldset>
  );
}

interface NumberFieldProps {
  readonly title: string;
  readonly hint?: string;
  readonly value: string;
  readonly onInput: (text: string) => void;
  readonly children?: ComponentChildren;
}

function NumberField({ title, hint, value, onInput, children }: NumberFieldProps) {
  const id = `limit-${title.toLowerCase()}`;
  return (
    <div class="number" title={hint}>
      <label for={id}>{title}</label>
      <span class="with-unit">
        <input
          id={id}
          type="text"
          inputMode="decimal"
          autocomplete="off"
          value={value}
          onInput={({ currentTarget }) => onInput(currentTarget.value)}
        />
        {children}
      </span>
    </div>
  );
}

interface UnitFieldProps {
  readonly title: string;
  readonly units: readonly (readonly [name: string, value: number])[];
  readonly value: number;
  readonly onChange: (unit: number) => void;
}

function UnitField({ title, units, value, onChange }: UnitFieldProps) {
  return (
    <select
      aria-label={title}
      value={value}
      onChange={({ currentTarget }) => onChange(Number(currentTarget.value))}
    >
      {units.map(([name, unit]) => (
        <option key={name} value={unit}>
          {name}
        </option>
      ))}
    </select>
  );
}

function Options() {
  const follows = canFollow(selection.value);
  return (
    <fieldset class="options">
      <legend class="sr-only">Options</legend>
      <Option
        name="follow"
        title="Follow restarts"
        hint={
          follows
            ? 'When the target ends, the capture goes on with the next one of its name'
            : 'Only for one chosen target; a set goes on anyway'
        }
        disabled={!follows}
      />
      <Option
        name="direction"
        title="Record direction"
        hint="Each packet says whether it came in or went out"
      />
      <Option
        name="noPromiscuousMode"
        title="No promiscuous mode"
        hint="Only packets that the interface accepts anyway"
      />
    </fieldset>
  );
}

interface OptionProps {
  readonly name: keyof CaptureForm & ('follow' | 'direction' | 'noPromiscuousMode');
  readonly title: string;
  readonly hint: string;
  readonly disabled?: boolean;
}

function Option({ name, title, hint, disabled = false }: OptionProps) {
  return (
    <label class="check" title={hint}>
      <input
        type="checkbox"
        title={hint}
        checked={form.value[name] && !disabled}
        disabled={disabled}
        onChange={({ currentTarget }) => setForm({ [name]: currentTarget.checked })}
      />
      {title}
    </label>
  );
}
