import { useSignal } from '@preact/signals';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type { TreeNode } from '../dissector/messages.js';
import { bytesText, countText } from '../numbers.js';
import type { SelectedPacket, WatchModel } from './watch-model.js';

/** Bytes in a line. */
const LINE_BYTES = 16;
/** A packet of loopback can be this long; more would make the page slow. */
const MAX_DUMP_BYTES = 64 * 1024;

/** The tree of the selected packet's fields, and its bytes. */
export function PacketDetails({ model }: { readonly model: WatchModel }) {
  const selected = model.selected.value;
  if (!selected || !model.detailsOpen.value) return null;
  const { dissected, row } = selected;
  return (
    <section class="watch-details" aria-label={`Packet ${selected.number}`}>
      {dissected ? (
        <PacketTree key={selected.number} model={model} tree={dissected.tree} />
      ) : (
        <div class="watch-tree watch-tree-absent">
          <p>
            <strong>
              Packet {selected.number}, {row.length} bytes on {row.interface}, {row.protocol}
            </strong>
          </p>
          <p>{absenceOf(model)}</p>
        </div>
      )}
      <PacketBytes model={model} selected={selected} />
    </section>
  );
}

function absenceOf(model: WatchModel): string {
  switch (model.dissection.value.phase) {
    case 'on':
      return 'The packet is being dissected, or it has left the window by now. If packets arrive quickly, pause first.';
    case 'loading':
      return 'Wireshark’s dissectors are being loaded.';
    case 'missing':
      return 'Its fields cannot be shown: this service was installed without Wireshark’s dissectors.';
    case 'off':
    case 'failed':
      return 'Wireshark’s dissectors show all fields here, once they are loaded.';
  }
}

interface Branch {
  readonly node: TreeNode;
  readonly level: number;
  readonly position: number;
  readonly siblings: number;
  /** Names of the fields on the way, so that what is open stays open in the next packet, as in Wireshark. */
  readonly path: string;
  readonly parent: number;
}

/** Which parts of trees are open. */
const opened = new Set<string>();

/** A tree as WAI-ARIA describes it: one stop of the tab key, arrow keys within it. */
function PacketTree({ model, tree }: { readonly model: WatchModel; readonly tree: readonly TreeNode[] }) {
  const version = useSignal(0);
  const [current, setCurrent] = useState(0);
  const element = useRef<HTMLDivElement>(null);
  const branches = useMemo(() => visibleBranches(tree), [tree, version.value]);

  const go = (index: number) => {
    const branch = branches[index];
    if (!branch) return;
    setCurrent(index);
    model.selectedField.value = branch.node;
    element.current?.children[index]?.scrollIntoView({ block: 'nearest' });
  };
  const toggle = ({ node, path }: Branch, open = !opened.has(path)) => {
    if (node.children.length === 0) return;
    if (open) opened.add(path);
    else opened.delete(path);
    version.value++;
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const branch = branches[current];
    if (!branch) return;
    const isOpen = opened.has(branch.path) && branch.node.children.length > 0;
    switch (event.key) {
      case 'ArrowDown':
        go(current + 1);
        break;
      case 'ArrowUp':
        go(current - 1);
        break;
      case 'ArrowRight':
        if (isOpen) go(current + 1);
        else toggle(branch, true);
        break;
      case 'ArrowLeft':
        if (isOpen) toggle(branch, false);
        else go(branch.parent);
        break;
      case 'Home':
        go(0);
        break;
      case 'End':
        go(branches.length - 1);
        break;
      case 'Enter':
      case ' ':
        toggle(branch);
        break;
      default:
        return;
    }
    event.preventDefault();
  };

  return (
    <div
      ref={element}
      class="watch-tree"
      role="tree"
      aria-label="Fields"
      tabIndex={0}
      aria-activedescendant={branches[current] && `watch-field-${current}`}
      onKeyDown={onKeyDown}
    >
      {branches.map((branch, index) => {
        const { node, level, position, siblings, path } = branch;
        const isParent = node.children.length > 0;
        const isOpen = isParent && opened.has(path);
        return (
          <div
            key={index}
            id={`watch-field-${index}`}
            class={node.isProtocol ? 'watch-field watch-protocol' : 'watch-field'}
            role="treeitem"
            aria-level={level}
            aria-posinset={position}
            aria-setsize={siblings}
            aria-expanded={isParent ? isOpen : undefined}
            aria-selected={node === model.selectedField.value}
            style={{ '--level': String(level) }}
            onClick={() => {
              // Wireshark opens with a click on the arrow or a double click; here the whole line is the arrow.
              go(index);
              toggle(branch);
            }}
          >
            <span class="watch-arrow" aria-hidden="true">
              {isParent ? (isOpen ? '▾' : '▸') : ''}
            </span>
            {node.label}
          </div>
        );
      })}
    </div>
  );
}

function visibleBranches(tree: readonly TreeNode[]): Branch[] {
  const branches: Branch[] = [];
  const add = (nodes: readonly TreeNode[], level: number, above: string, parent: number) => {
    nodes.forEach((node, index) => {
      const [field = ''] = (node.filter || node.label).split(' ');
      const path = `${above}/${field}`;
      branches.push({ node, level, position: index + 1, siblings: nodes.length, path, parent });
      if (opened.has(path)) add(node.children, level + 1, path, branches.length - 1);
    });
  };
  add(tree, 1, '', -1);
  return branches;
}

/** The bytes of a packet or of what was made of it, with those of the selected field marked. */
function PacketBytes({ model, selected }: { readonly model: WatchModel; readonly selected: SelectedPacket }) {
  const [tab, setTab] = useState(0);
  const field = model.selectedField.value;
  const element = useRef<HTMLDivElement>(null);
  const sources = selected.dissected?.sources ?? [
    { name: `Packet (${countText(selected.bytes.length, 'byte')})`, bytes: selected.bytes },
  ];
  const source = sources[tab] ?? sources[0]!;
  const isMarked = field !== undefined && field.length > 0 && sources[field.source] === source;

  useEffect(() => {
    if (field && field.length > 0 && field.source < sources.length) setTab(field.source);
  }, [field]);
  useEffect(() => {
    element.current?.querySelector('mark')?.scrollIntoView({ block: 'nearest' });
  }, [field, tab]);

  return (
    <div class="watch-bytes">
      {sources.length > 1 && (
        <div class="watch-sources" role="group" aria-label="Bytes of">
          {sources.map(({ name }, index) => (
            <button
              key={index}
              type="button"
              aria-pressed={source === sources[index]}
              onClick={() => setTab(index)}
            >
              {name}
            </button>
          ))}
        </div>
      )}
      <div ref={element} class="watch-dump" role="region" aria-label={source.name} tabIndex={0}>
        <Dump
          bytes={source.bytes}
          from={isMarked ? field.start : 0}
          to={isMarked ? field.start + field.length : 0}
        />
        {source.bytes.length > MAX_DUMP_BYTES && (
          <p>{bytesText(source.bytes.length - MAX_DUMP_BYTES)} more are not shown.</p>
        )}
      </div>
    </div>
  );
}

/** Offset, hexadecimal digits and ASCII; the bytes of [from, to) are marked. */
function Dump({
  bytes,
  from,
  to,
}: {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
}) {
  const shown = bytes.subarray(0, MAX_DUMP_BYTES);
  const parts: (string | JSX.Element)[] = [];
  let text = '';
  for (let line = 0; line < shown.length; line += LINE_BYTES) {
    const end = Math.min(line + LINE_BYTES, shown.length);
    const [markFrom, markTo] = [Math.max(line, from), Math.min(end, to)];
    text += `${line.toString(16).padStart(4, '0')}  `;
    const add = (format: (begin: number, end: number) => string, separator: string) => {
      if (markFrom >= markTo) return void (text += format(line, end));
      text += format(line, markFrom) + (markFrom > line ? separator : '');
      parts.push(text, <mark key={parts.length}>{format(markFrom, markTo)}</mark>);
      text = (markTo < end ? separator : '') + format(markTo, end);
    };
    add((begin, stop) => hexDigits(shown, begin, stop), ' ');
    text += `${'   '.repeat(line + LINE_BYTES - end)}   `;
    add((begin, stop) => ascii(shown, begin, stop), '');
    text += '\n';
  }
  return <pre>{[...parts, text]}</pre>;
}

function hexDigits(bytes: Uint8Array, from: number, to: number): string {
  return Array.from(bytes.subarray(from, to), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

function ascii(bytes: Uint8Array, from: number, to: number): string {
  return Array.from(bytes.subarray(from, to), (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·',
  ).join('');
}
