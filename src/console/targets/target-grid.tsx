import { useSignal } from '@preact/signals';
import { useEffect, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import {
  choice,
  choose,
  collapsed,
  grouping,
  groups,
  matching,
  mode,
  toggleCollapsed,
  selectByRule,
} from '../store.js';
import { visibleText } from '../visible-text.js';
import type { Grouping, TargetGroup } from './grouping.js';
import { quotedForRule } from './rule.js';
import type { TargetEntry } from './target-list.js';
import { titleOf, type Target } from './target.js';

/** The height of each row in CSS pixels, as targets.css and style.css set it. */
const ROW_HEIGHT = 32;
const HEADING_HEIGHT = 28;
/** Rows that are rendered above and below the visible ones. */
const MARGIN_ROWS = 10;
const MAX_LABELS = 6;

type Row =
  | {
      readonly kind: 'group';
      readonly id: string;
      readonly group: TargetGroup;
      readonly isCollapsed: boolean;
    }
  | { readonly kind: 'target'; readonly id: string; readonly entry: TargetEntry };

/**
 * The targets in groups. Only the visible rows are in the document, as there may be thousands. One of the checkboxes can be
 * reached with the Tab key, the others from there with the arrow keys; left and right collapse and expand a group.
 */
export function TargetGrid() {
  const scroller = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const height = useSignal(600);
  const active = useSignal('');
  const wantsFocus = useRef(false);

  const rows = useMemo(
    () => rowsOf(groups.value, grouping.value, collapsed.value),
    [groups.value, grouping.value, collapsed.value],
  );
  const activeIndex = Math.max(
    0,
    rows.findIndex(({ id }) => id === active.value),
  );

  useEffect(() => {
    const element = scroller.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => (height.value = element.clientHeight - HEADING_HEIGHT));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useLayoutEffect(() => {
    if (!wantsFocus.current) return;
    wantsFocus.current = false;
    scroller.current?.querySelector<HTMLInputElement>('input[tabindex="0"]')?.focus({ preventScroll: true });
  });

  const goTo = (index: number): void => {
    const row = rows[Math.min(Math.max(index, 0), rows.length - 1)];
    const element = scroller.current;
    if (!row || !element) return;
    const at = rows.indexOf(row) * ROW_HEIGHT;
    if (at < element.scrollTop) element.scrollTop = at;
    else if (at + ROW_HEIGHT > element.scrollTop + height.value) {
      element.scrollTop = at + ROW_HEIGHT - height.value;
    }
    top.value = element.scrollTop;
    active.value = row.id;
    wantsFocus.current = true;
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor(height.value / ROW_HEIGHT) - 1);
    const row = rows[activeIndex];
    const moves: Record<string, number> = {
      ArrowDown: activeIndex + 1,
      ArrowUp: activeIndex - 1,
      PageDown: activeIndex + page,
      PageUp: activeIndex - page,
      Home: 0,
      End: rows.length - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) goTo(to);
    else if (row?.kind === 'group' && event.key === (row.isCollapsed ? 'ArrowRight' : 'ArrowLeft')) {
      toggleCollapsed(row.id);
    } else if (row?.kind === 'target' && event.key === 'ArrowLeft') {
      goTo(rows.findLastIndex(({ kind }, index) => index < activeIndex && kind === 'group'));
    } else return;
    event.preventDefault();
  };

  const first = Math.max(0, Math.floor(top.value / ROW_HEIGHT) - MARGIN_ROWS);
  const last = Math.ceil((top.value + height.value) / ROW_HEIGHT) + MARGIN_ROWS;
  return (
    <div
      class="grid"
      role="treegrid"
      aria-label="Targets"
      aria-rowcount={rows.length + 1}
      onKeyDown={onKeyDown}
    >
      <div
        class="scroller"
        ref={scroller}
        onScroll={({ currentTarget }) => (top.value = currentTarget.scrollTop)}
      >
        <div role="rowgroup" class="headings">
          <div class="row heading" role="row" aria-rowindex={1}>
            <span role="columnheader">
              <span class="sr-only">Chosen</span>
            </span>
            <span role="columnheader">Name</span>
            <span role="columnheader">Type</span>
            <span role="columnheader" class="wide">
              Image
            </span>
            <span role="columnheader" class="wide">
              Labels
            </span>
            <span role="columnheader">Interfaces</span>
          </div>
        </div>
        <div role="rowgroup" class="canvas" style={{ height: `${rows.length * ROW_HEIGHT}px` }}>
          {rows.map((row, index) => {
            const isActive = index === activeIndex;
            // The active row stays, as it may have the focus.
            if (!isActive && (index < first || index > last)) return null;
            const place = {
              index: index + 2,
              top: index * ROW_HEIGHT,
              tabIndex: isActive ? 0 : -1,
              onFocus: () => (active.value = row.id),
            };
            return row.kind === 'group' ? (
              <GroupRow key={row.id} {...row} place={place} />
            ) : (
              <TargetRow key={row.id} entry={row.entry} place={place} />
            );
          })}
        </div>
      </div>
    </div>
  );
}

function rowsOf(all: readonly TargetGroup[], by: Grouping, closed: ReadonlySet<string>): Row[] {
  return all.flatMap((group): Row[] => {
    const id = `${by}:${group.value}`;
    const isCollapsed = closed.has(id);
    const members = isCollapsed ? [] : group.members;
    return [
      { kind: 'group', id, group, isCollapsed },
      ...members.map((entry): Row => ({ kind: 'target', id: entry.key, entry })),
    ];
  });
}

interface Place {
  readonly index: number;
  readonly top: number;
  readonly tabIndex: number;
  readonly onFocus: () => void;
}

const WITHOUT: Readonly<Record<Grouping, string>> = {
  type: 'Unknown type',
  node: 'Unknown host',
  project: 'No Compose project',
  namespace: 'No pod namespace',
};

function GroupRow({ id, group, isCollapsed, place }: Extract<Row, { kind: 'group' }> & { place: Place }) {
  const by = grouping.value;
  const title = visibleText(group.value) || WITHOUT[by];
  const present = group.members.filter(({ presence }) => presence !== 'left');
  const chosen = present.filter(isChosen).length;
  const isRule = mode.value === 'rule';
  const quoted = quotedForRule(group.value);
  return (
    <div
      class="row group"
      role="row"
      aria-rowindex={place.index}
      aria-level={1}
      aria-expanded={!isCollapsed}
      style={{ top: `${place.top}px` }}
    >
      <span role="gridcell" class="choice">
        <input
          type="checkbox"
          tabIndex={place.tabIndex}
          onFocus={place.onFocus}
          aria-label={`All of ${title}`}
          checked={chosen > 0 && chosen === present.length}
          indeterminate={chosen > 0 && chosen < present.length}
          disabled={isRule}
          onChange={({ currentTarget }) => choose(present, currentTarget.checked)}
        />
      </span>
      <span role="gridcell" class="title">
        <button
          type="button"
          class="disclosure"
          tabIndex={place.tabIndex}
          onClick={() => toggleCollapsed(id)}
        >
          <span aria-hidden="true" class={isCollapsed ? 'chevron closed' : 'chevron'} />
          <bdi>{title}</bdi> <span class="count">{present.length}</span>
        </button>
        {group.value !== '' && quoted !== undefined && !matching.value && (
          <button
            type="button"
            class="quiet"
            tabIndex={place.tabIndex}
            aria-label={`${title} as rule`}
            title="Select by a rule: what starts later joins"
            onClick={() => selectByRule(`${by === 'type' ? '* type' : by}=${quoted}`)}
          >
            as rule
          </button>
        )}
      </span>
    </div>
  );
}

function TargetRow({ entry, place }: { readonly entry: TargetEntry; readonly place: Place }) {
  const { target, presence } = entry;
  const title = titleOf(target);
  const isLocked = mode.value === 'rule' || presence === 'left';
  const toggle = (): void => {
    if (!isLocked) choose([entry], !isChosen(entry));
  };
  return (
    <div
      class={`row target ${presence}${isChosen(entry) ? ' chosen' : ''}`}
      role="row"
      aria-rowindex={place.index}
      aria-level={2}
      style={{ top: `${place.top}px` }}
      onClick={toggle}
    >
      <span role="gridcell" class="choice">
        <input
          type="checkbox"
          tabIndex={place.tabIndex}
          onFocus={place.onFocus}
          aria-label={visibleText(title)}
          checked={isChosen(entry)}
          disabled={isLocked}
          onClick={(event) => event.stopPropagation()}
          onChange={toggle}
        />
      </span>
      <span role="gridcell" class="name" title={visibleText(title, 1000)}>
        <bdi>{visibleText(target.name || title)}</bdi>
        {target.prefix && (
          <span class="prefix">
            in <bdi>{visibleText(target.prefix)}</bdi>
          </span>
        )}
        {presence === 'joined' && <span class="badge new">joined</span>}
        {presence === 'left' && <span class="badge gone">left</span>}
      </span>
      <span role="gridcell" class="type">
        <bdi>{visibleText(target.type, 30)}</bdi>
      </span>
      <span role="gridcell" class="wide image" title={visibleText(target.image, 1000)}>
        <bdi>{visibleText(target.image)}</bdi>
      </span>
      <span role="gridcell" class="wide labels" title={labelsOf(target).join('\n')}>
        {labelsOf(target).map((label) => (
          <bdi key={label}>{label}</bdi>
        ))}
      </span>
      <span role="gridcell" class="interfaces" title={namesOf(target, 200)}>
        <bdi>{namesOf(target, 8)}</bdi>
      </span>
    </div>
  );
}

function isChosen({ key, target }: TargetEntry): boolean {
  return mode.value === 'rule' ? matching.value?.has(target) === true : choice.value.has(key);
}

/** Labels of users come first; tools put a domain name before the keys of theirs. */
function labelsOf({ labels }: Target): string[] {
  const pairs = Object.entries(labels);
  const isOfTool = ([key]: [string, string]): boolean => /\..*[./]/.test(key);
  return [...pairs.filter((pair) => !isOfTool(pair)), ...pairs.filter(isOfTool)]
    .slice(0, MAX_LABELS)
    .map(([key, value]) => visibleText(`${key}=${value}`, 80));
}

function namesOf({ interfaces }: Target, max: number): string {
  const names = interfaces.slice(0, max).map((name) => visibleText(name, 20));
  return names.join(' ') + (interfaces.length > max ? ` +${interfaces.length - max}` : '');
}
