import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Row, WatchModel } from './watch-model.js';

/** The height of a row, which watch.css sets, too. */
const ROW_PX = 22;
/** Rows before and after those that can be seen, which scrolling shows before they are drawn anew. */
const ROWS_AROUND = 10;

const COLUMNS = ['No.', 'Time', 'Interface', 'Source', 'Destination', 'Protocol', 'Length', 'Info'];

/** The list of packets. Only the rows that can be seen are there. */
export function PacketTable({ model }: { readonly model: WatchModel }) {
  const scroller = useRef<HTMLDivElement>(null);
  const followedTo = useRef(0);
  const [visible, setVisible] = useState({ index: 0, count: 50 });
  const list = model.list.value;
  const follow = model.follow.value;
  const selected = model.selected.value;

  const look = () => {
    const { scrollTop, clientHeight } = scroller.current!;
    const index = Math.floor(scrollTop / ROW_PX);
    const count = Math.ceil(clientHeight / ROW_PX);
    setVisible((before) => (index === before.index && count === before.count ? before : { index, count }));
    model.setVisible(index, count);
  };

  // Once for each list: it says how its rows have moved against the one before.
  useLayoutEffect(() => {
    const element = scroller.current!;
    if (!follow && 'to' in list.scroll) element.scrollTop = list.scroll.to * ROW_PX;
    else if (!follow && 'by' in list.scroll && list.scroll.by) element.scrollTop += list.scroll.by * ROW_PX;
    look();
  }, [list]);

  useLayoutEffect(() => {
    if (!follow) return;
    const element = scroller.current!;
    element.scrollTop = element.scrollHeight;
    followedTo.current = element.scrollTop;
    look();
  }, [list, follow]);

  useLayoutEffect(() => {
    const observer = new ResizeObserver(look);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, []);

  const onScroll = () => {
    const { scrollTop } = scroller.current!;
    if (model.follow.peek() && scrollTop < followedTo.current - ROW_PX) model.follow.value = false;
    look();
  };

  const selectAndShow = (index: number) => {
    const element = scroller.current!;
    const clamped = Math.max(0, Math.min(list.count - 1, index));
    model.select(clamped);
    // The heading covers the first row.
    const bottom = (clamped + 2) * ROW_PX - element.clientHeight;
    element.scrollTop = Math.max(bottom, Math.min(element.scrollTop, clamped * ROW_PX));
  };

  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(1, visible.count - 2);
    const current = model.selectedIndex() ?? (follow ? list.count : visible.index - 1);
    const moves: Readonly<Record<string, number>> = {
      ArrowDown: current + 1,
      ArrowUp: current - 1,
      PageDown: current + page,
      PageUp: current - page,
      Home: 0,
      End: list.count - 1,
    };
    const index = moves[event.key];
    if (index !== undefined) selectAndShow(index);
    else if (event.key === 'Enter' && selected) model.detailsOpen.value = true;
    else return;
    event.preventDefault();
  };

  const onClick = ({ target }: MouseEvent) => {
    const row = target instanceof Element ? target.closest<HTMLElement>('[aria-rowindex]') : null;
    const index = Number(row?.ariaRowIndex) - 2;
    if (!(index >= 0)) return;
    model.select(index);
    model.detailsOpen.value = true;
  };

  const first = Math.max(0, visible.index - ROWS_AROUND);
  const end = Math.min(list.count, visible.index + visible.count + ROWS_AROUND);
  const rows = Array.from({ length: Math.max(0, end - first) }, (_, slot) => ({
    index: first + slot,
    row: model.rowAt(first + slot),
  }));
  const selectedRow = rows.find(({ row }) => row && row.number === selected?.number)?.row;
  return (
    <div
      ref={scroller}
      class="watch-table"
      role="grid"
      aria-label="Packets"
      aria-rowcount={list.count + 1}
      aria-colcount={COLUMNS.length}
      aria-activedescendant={selectedRow && rowId(selectedRow)}
      tabIndex={0}
      onScroll={onScroll}
      onKeyDown={onKeyDown}
      onClick={onClick}
    >
      <div class="watch-table-head" role="rowgroup">
        <div class="watch-row" role="row" aria-rowindex={1}>
          {COLUMNS.map((title) => (
            <span key={title} role="columnheader">
              {title}
            </span>
          ))}
        </div>
      </div>
      <div class="watch-table-body" role="rowgroup" style={{ height: `${list.count * ROW_PX}px` }}>
        <div
          class="watch-table-rows"
          role="presentation"
          style={{ transform: `translateY(${first * ROW_PX}px)` }}
        >
          {rows.map(({ index, row }, slot) => (
            <PacketRow
              key={slot}
              index={index}
              row={row}
              isSelected={row !== undefined && row.number === selected?.number}
            />
          ))}
        </div>
      </div>
    </div>
  );
}

function PacketRow({
  index,
  row,
  isSelected,
}: {
  readonly index: number;
  readonly row: Row | undefined;
  readonly isSelected: boolean;
}) {
  const cells = row
    ? [row.number, row.time, row.interface, row.source, row.destination, row.protocol, row.length, row.info]
    : ['', '', '', '', '', '', '', '…'];
  return (
    <div
      id={row && rowId(row)}
      class={`watch-row ${classOf(row)}`}
      role="row"
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      style={row?.colours && coloursOf(row.colours)}
    >
      {cells.map((text, column) => (
        <span key={column} role="gridcell" title={isLong(text) ? String(text) : undefined}>
          {text}
        </span>
      ))}
    </div>
  );
}

/** Whether a text may not fit into its column. */
function isLong(text: string | number): boolean {
  return typeof text === 'string' && text.length > 14;
}

function rowId(row: Row): string {
  return `watch-packet-${row.number}`;
}

/** Wireshark's rules have dark text on a light ground for what is ordinary, and the reverse for what is not. */
function classOf(row: Row | undefined): string {
  if (!row?.colours) return '';
  const { foreground, background } = row.colours;
  return brightness(foreground) > brightness(background) ? 'watch-striking' : 'watch-coloured';
}

function coloursOf({ foreground, background }: NonNullable<Row['colours']>) {
  return { '--row-text': cssColour(foreground), '--row-ground': cssColour(background) };
}

function cssColour(colour: number): string {
  return `#${(colour & 0xff_ffff).toString(16).padStart(6, '0')}`;
}

/** Perceived, 0 to 255. */
function brightness(colour: number): number {
  return 0.299 * ((colour >> 16) & 0xff) + 0.587 * ((colour >> 8) & 0xff) + 0.114 * (colour & 0xff);
}
