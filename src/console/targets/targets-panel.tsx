import {
  choice,
  choose,
  connection,
  grouping,
  groups,
  hiddenCount,
  list,
  matching,
  mode,
  present,
  reconnect,
  rule,
  ruleText,
  search,
  showsProcesses,
  type Mode,
} from '../store.js';
import { accessProblem, asksForToken } from '../access.js';
import { visibleText } from '../visible-text.js';
import { GROUPING_TITLES, GROUPINGS, type Grouping } from './grouping.js';
import { TargetGrid } from './target-grid.js';
import { isContainer } from './target.js';
import './targets.css';

const MODES: readonly (readonly [Mode, string])[] = [
  ['choice', 'Choose'],
  ['rule', 'By rule'],
];

/** What can be captured from, and what is selected. */
export function TargetsPanel() {
  const processCount = present.value.filter((target) => !isContainer(target)).length;
  return (
    <section class="panel targets" aria-labelledby="targets-title">
      <header class="bar">
        <h2 id="targets-title">Targets</h2>
        <fieldset class="segments">
          <legend class="sr-only">How targets are selected</legend>
          {MODES.map(([value, title]) => (
            <label key={value}>
              <input
                type="radio"
                name="mode"
                checked={mode.value === value}
                onChange={() => (mode.value = value)}
              />
              <span>{title}</span>
            </label>
          ))}
        </fieldset>
        <label class="inline end">
          Group by
          <select
            value={grouping.value}
            onChange={({ currentTarget }) => (grouping.value = currentTarget.value as Grouping)}
          >
            {GROUPINGS.map((each) => (
              <option key={each} value={each}>
                {GROUPING_TITLES[each]}
              </option>
            ))}
          </select>
        </label>
        <label class="inline check">
          <input
            type="checkbox"
            checked={showsProcesses.value}
            disabled={matching.value !== undefined}
            onChange={({ currentTarget }) => (showsProcesses.value = currentTarget.checked)}
          />
          Processes <span class="count">{processCount}</span>
        </label>
        {mode.value === 'choice' ? <SearchField /> : <RuleField />}
      </header>
      {mode.value === 'rule' && <RuleMeaning />}
      <ConnectionProblem />
      {groups.value.length > 0 ? <TargetGrid /> : <EmptyList />}
      {hiddenCount.value > 0 && groups.value.length > 0 && search.value.trim() !== '' && (
        <p class="hint foot">
          {hiddenCount.value} more among processes.{' '}
          <button type="button" class="link" onClick={() => (showsProcesses.value = true)}>
            Show processes
          </button>
        </p>
      )}
    </section>
  );
}

function SearchField() {
  return (
    <div class="field grow">
      <input
        type="search"
        aria-label="Search targets"
        placeholder="Search name, type, image, label…"
        autocomplete="off"
        spellcheck={false}
        value={search.value}
        onInput={({ currentTarget }) => (search.value = currentTarget.value)}
      />
      {choice.value.size > 0 && (
        <button type="button" class="quiet" onClick={() => (choice.value = new Map())}>
          Clear {choice.value.size} chosen
        </button>
      )}
      {choice.value.size === 0 && search.value.trim() !== '' && groups.value.length > 0 && (
        <button
          type="button"
          class="quiet"
          onClick={() =>
            choose(
              groups.value.flatMap(({ members }) => members),
              true,
            )
          }
        >
          Choose all found
        </button>
      )}
    </div>
  );
}

function RuleField() {
  return (
    <div class="field grow">
      <input
        type="text"
        class="mono"
        aria-label="Rule"
        aria-describedby="rule-meaning"
        aria-invalid={rule.value.kind === 'invalid'}
        placeholder="shop/*, app=web"
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        value={ruleText.value}
        onInput={({ currentTarget }) => (ruleText.value = currentTarget.value)}
      />
      <button type="button" class="quiet" onClick={() => (ruleText.value = '*')}>
        All containers
      </button>
    </div>
  );
}

/** How the rule is understood. */
function RuleMeaning() {
  const { value } = rule;
  if (value.kind === 'invalid') {
    return (
      <p class="meaning problem" id="rule-meaning" role="status">
        {value.problem}
      </p>
    );
  }
  if (value.kind === 'empty') {
    return (
      <p class="meaning" id="rule-meaning">
        A rule keeps matching: what starts later joins the capture. <code>shop/*</code> name,{' '}
        <code>app=web</code> label, <code>type=pod</code> <code>namespace=…</code> <code>project=…</code>{' '}
        <code>node=…</code> attributes; blanks mean “and”, commas “or”.
      </p>
    );
  }
  return (
    <p class="meaning" id="rule-meaning" role="status">
      <strong>{matching.value?.size ?? 0} match now</strong>
      {value.descriptions.map((description, index) => (
        <span key={index}>
          {index > 0 ? ' or ' : ' · '}
          <bdi>{visibleText(description)}</bdi>
        </span>
      ))}
    </p>
  );
}

function ConnectionProblem() {
  if (connection.value.kind !== 'lost') return null;
  return (
    <p class="banner" role="alert">
      <span>{connection.value.problem}</span>
      {accessProblem.value === '' ? (
        <button type="button" onClick={() => reconnect()}>
          Try now
        </button>
      ) : (
        <button type="button" onClick={() => (asksForToken.value = true)}>
          Enter token…
        </button>
      )}
    </p>
  );
}

function EmptyList() {
  if (list.value === undefined) {
    return (
      <p class="nothing">
        {connection.value.kind === 'lost' ? 'Nothing is known yet.' : 'Looking for targets…'}
      </p>
    );
  }
  if (matching.value)
    return <p class="nothing">Nothing matches now. What starts later and matches will be captured.</p>;
  const isSearching = mode.value === 'choice' && search.value.trim() !== '';
  return (
    <div class="nothing">
      <p>
        {isSearching ? 'Nothing is found.' : 'No containers are running. Start one, and it appears here.'}
      </p>
      {hiddenCount.value > 0 && (
        <button type="button" onClick={() => (showsProcesses.value = true)}>
          {isSearching ? `Show ${hiddenCount.value} among processes` : `Show ${hiddenCount.value} processes`}
        </button>
      )}
    </div>
  );
}
