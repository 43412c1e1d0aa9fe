import { batch, computed, signal } from '@preact/signals';
import { Dissectors, DissectorsMissing } from '../dissector/dissectors.js';
import type { DissectedPacket, DissectedRow, RowRange, TreeNode } from '../dissector/messages.js';
import type { CaptureParameters } from '../capture/capture-request.js';
import { summarize, type PacketSummary } from './headers.js';
import { LiveCapture } from './live-capture.js';
import { PacketWindow, pcapngFile, type PacketFacts } from './packet-window.js';

const TICK_MS = 100;
/** Counters and the list change at most this often. */
const REFRESH_MS = 200;
const FILTER_TYPING_MS = 250;
/** Rows that are dissected before and after those that can be seen, for scrolling. */
const ROWS_AROUND = 40;
const MAX_VISIBLE_ROWS = 200;
/** Remembers whether the dissectors are wanted. */
const STORED_CHOICE = 'packetflix.dissectors';

export interface Row extends PacketSummary {
  readonly number: number;
  readonly time: string;
  readonly interface: string;
  readonly length: number;
  /** From Wireshark's colouring rules, 0xRRGGBB. */
  readonly colours?: { readonly foreground: number; readonly background: number };
}

/** The packets that the list has, by index from 0. */
export interface PacketList {
  /** Number of the oldest packet that is shown, with or without passing the display filter. */
  readonly first: number;
  readonly count: number;
  readonly filter: string;
  /** Rows that are dissected, from this index on. */
  readonly from: number;
  readonly dissected: readonly DissectedRow[];
  /** Where the list is to be scrolled, unless it follows: by some rows, since older ones have left, or to one. */
  readonly scroll: { readonly by: number } | { readonly to: number };
}

export type Dissection =
  | { readonly phase: 'off' | 'missing' }
  | { readonly phase: 'on'; readonly version: string }
  | { readonly phase: 'loading'; readonly share: number }
  | { readonly phase: 'failed'; readonly message: string };

/** What is known about the display filter that is typed. */
export type DisplayFilterState =
  { readonly kind: 'empty' | 'checking' | 'valid' } | { readonly kind: 'invalid'; readonly message: string };

export interface SelectedPacket {
  readonly number: number;
  readonly row: Row;
  readonly bytes: Uint8Array;
  /** Absent for as long as the dissectors have not answered, or without them. */
  readonly dissected?: DissectedPacket | undefined;
}

const EMPTY_LIST: PacketList = { first: 1, count: 0, filter: '', from: 0, dissected: [], scroll: { by: 0 } };

/** What the view of a capture shows, and what can be done in it. */
export class WatchModel {
  readonly capture: LiveCapture;
  readonly follow = signal(true);
  readonly paused = signal(false);
  readonly list = signal(EMPTY_LIST);
  readonly selected = signal<SelectedPacket | undefined>(undefined);
  readonly detailsOpen = signal(false);
  /** The field of the selected packet that is selected in its tree. */
  readonly selectedField = signal<TreeNode | undefined>(undefined);
  readonly dissection = signal<Dissection>({ phase: 'off' });
  readonly filterText = signal('');
  readonly filterState = signal<DisplayFilterState>({ kind: 'empty' });
  /** Changes when the counters have changed. */
  readonly counted = signal(0);
  readonly isDissecting = computed(() => this.dissection.value.phase === 'on');

  /** The packets that the list is about. It follows those of the capture, unless the view is paused. */
  private readonly shown = new PacketWindow();
  private filter = '';
  private visible = { index: 0, count: 50 };
  private dissectors: Dissectors | undefined;
  /** What the worker has: packets before this number, and this many bytes of headers. */
  private sentNext = 1;
  private sentHeaderBytes = 0;
  private updating = false;
  private fetchingRows = false;
  private isOutdated = false;
  private refreshAt = 0;
  private countAt = 0;
  private filterTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly ending = new AbortController();

  constructor(parameters: CaptureParameters) {
    this.capture = new LiveCapture(parameters);
    const timer = setInterval(() => this.tick(), TICK_MS);
    this.ending.signal.addEventListener('abort', () => clearInterval(timer));
    if (remembered()) void this.startDissectors();
  }

  /** Ends the capture and frees everything. */
  close(): void {
    this.capture.stop();
    this.ending.abort();
    this.dissectors?.close();
    clearTimeout(this.filterTimer);
  }

  togglePause(): void {
    this.paused.value = !this.paused.value;
    this.refreshNow();
  }

  clear(): void {
    batch(() => {
      this.capture.window.clear();
      this.shown.catchUp(this.capture.window);
      this.selected.value = undefined;
      this.detailsOpen.value = false;
      this.follow.value = true;
      this.showHeaders();
      this.counted.value++;
    });
    this.refreshNow();
  }

  /** The packets that are kept, as a pcapng file: while the list is paused, those that it has. */
  file(): Uint8Array<ArrayBuffer> {
    return pcapngFile(this.capture.header, this.paused.peek() ? this.shown : this.capture.window);
  }

  /** Loads Wireshark's dissectors, now and whenever a capture is watched in this browser. */
  async startDissectors(): Promise<void> {
    const { phase } = this.dissection.peek();
    if (phase === 'on' || phase === 'loading') return;
    this.dissection.value = { phase: 'loading', share: 0 };
    try {
      const onProgress = (share: number) => {
        if (this.dissection.peek().phase === 'loading') this.dissection.value = { phase: 'loading', share };
      };
      this.dissectors = await Dissectors.start(onProgress, this.ending.signal);
      this.sentNext = 1;
      this.sentHeaderBytes = 0;
      this.dissection.value = { phase: 'on', version: this.dissectors.version };
      remember('on');
      this.refreshNow();
      await this.reselect();
    } catch (error) {
      this.dissectorsFailed(error);
    }
  }

  /** The list has headers only, from now on. */
  switchDissectorsOff(): void {
    this.dissectors?.close();
    this.dissectors = undefined;
    remember('off');
    this.dissection.value = { phase: 'off' };
    this.forgetDissection();
  }

  setFilterText(text: string): void {
    batch(() => {
      this.filterText.value = text;
      this.filterState.value = { kind: text.trim() === '' ? 'empty' : 'checking' };
    });
    clearTimeout(this.filterTimer);
    this.filterTimer = setTimeout(() => void this.applyFilter(), FILTER_TYPING_MS);
  }

  /** The list scrolled. */
  setVisible(index: number, count: number): void {
    this.visible = { index, count: Math.min(count, MAX_VISIBLE_ROWS) };
    void this.fetchRows();
  }

  /** @returns undefined for a row that has not been dissected yet */
  rowAt(index: number): Row | undefined {
    const list = this.list.value;
    if (index < 0 || index >= list.count) return undefined;
    const dissected = list.dissected[index - list.from];
    if (dissected) {
      const { foreground, background, originalLength, ...row } = dissected;
      return {
        ...row,
        ...this.placeOf(dissected),
        length: originalLength,
        colours: { foreground, background },
      };
    }
    return list.filter ? undefined : this.headerRow(list.first + index);
  }

  /** Index of the selected packet, if it is known. */
  selectedIndex(): number | undefined {
    const number = this.selected.value?.number;
    const { filter, first, count, from, dissected } = this.list.value;
    if (number === undefined) return undefined;
    if (!filter) return number >= first && number < first + count ? number - first : undefined;
    const at = dissected.findIndex((row) => row.number === number);
    return at < 0 ? undefined : from + at;
  }

  select(index: number): void {
    const row = this.rowAt(index);
    if (!row) return;
    batch(() => {
      this.follow.value = false;
      this.selectedField.value = undefined;
      const bytes = this.shown.has(row.number) ? this.shown.data(row.number).slice() : new Uint8Array();
      this.selected.value = { number: row.number, row, bytes };
    });
    void this.reselect();
  }

  private async reselect(): Promise<void> {
    const selected = this.selected.peek();
    if (!selected || !this.dissectors) return;
    try {
      const dissected = await this.dissectors.call('packet', { number: selected.number });
      if (dissected && this.selected.peek()?.number === selected.number) {
        this.selected.value = { ...selected, dissected };
      }
    } catch (error) {
      this.dissectorsFailed(error);
    }
  }

  private tick(): void {
    const now = performance.now();
    if (now >= this.countAt) {
      this.countAt = now + REFRESH_MS;
      this.counted.value++;
    }
    const hasNews = !this.paused.peek() && this.capture.window.next !== this.shown.next;
    if (hasNews && !this.updating && now >= this.refreshAt) void this.refresh();
  }

  /** What the list shows is out of date, and so is an answer of the dissectors that is under way. */
  private refreshNow(): void {
    this.isOutdated = true;
    if (!this.updating) void this.refresh();
  }

  /** Brings the list up to date. */
  private async refresh(): Promise<void> {
    this.updating = true;
    const begin = performance.now();
    try {
      do {
        this.isOutdated = false;
        if (!this.paused.peek()) this.shown.catchUp(this.capture.window);
        if (this.isDissecting.peek()) await this.dissect();
        else this.showHeaders();
      } while (this.isOutdated);
    } catch (error) {
      this.dissectorsFailed(error);
    }
    this.updating = false;
    const now = performance.now();
    // The worker uses at most half of its time for this.
    this.refreshAt = now + Math.max(REFRESH_MS, now - begin);
  }

  private showHeaders(): void {
    const { first, count } = this.shown;
    const by = this.list.peek().filter ? 0 : this.list.peek().first - first;
    this.list.value = { ...EMPTY_LIST, first, count, scroll: { by } };
  }

  private async dissect(): Promise<void> {
    const { shown, filter } = this;
    const before = this.list.peek();
    const isOtherFilter = before.filter !== filter;
    const top = this.rowAt(this.visible.index)?.number;
    const topIndex = this.visible.index;
    const header = this.capture.header;
    const from = Math.max(this.sentNext, shown.first);
    const blocks = shown.blocksFrom(from);
    const takes = {
      header: header.length === this.sentHeaderBytes ? undefined : header,
      first: shown.first,
      from,
      blocks,
      filter,
      range: this.wantedRange(isOtherFilter ? (this.selected.peek()?.number ?? top) : top),
    };
    this.sentNext = shown.next;
    this.sentHeaderBytes = header.length;
    const answer = await this.dissectors!.call('update', takes, [blocks.buffer]);
    if (this.isOutdated) return;
    const anchor = answer.anchor ?? 0;
    const hasMoved = answer.anchor !== undefined;
    this.list.value = {
      first: answer.first,
      count: answer.matched,
      filter,
      from: answer.from,
      dissected: answer.rows,
      scroll: isOtherFilter ? { to: anchor } : { by: hasMoved ? anchor - topIndex : 0 },
    };
    void this.fetchRows();
  }

  private wantedRange(anchor: number | undefined): RowRange {
    const limit = this.visible.count + 2 * ROWS_AROUND;
    if (this.follow.peek()) return { at: 'end', limit };
    if (anchor !== undefined) return { at: 'number', number: anchor, before: ROWS_AROUND, limit };
    return { at: 'index', index: this.visible.index - ROWS_AROUND, limit };
  }

  /** Has the rows dissected that can be seen now. */
  private async fetchRows(): Promise<void> {
    const list = this.list.peek();
    const { index, count } = this.visible;
    const end = Math.min(index + count, list.count);
    const isThere = index >= list.from && end <= list.from + list.dissected.length;
    if (!this.dissectors || !this.isDissecting.peek() || this.fetchingRows || isThere) return;
    this.fetchingRows = true;
    let isOutdated = false;
    try {
      const range = { at: 'index', index: index - ROWS_AROUND, limit: count + 2 * ROWS_AROUND } as const;
      const { from, rows } = await this.dissectors.call('rows', { filter: list.filter, range });
      isOutdated = this.list.peek() !== list || this.visible.index !== index;
      if (this.list.peek() === list) {
        this.list.value = { ...list, from, dissected: rows, scroll: { by: 0 } };
      }
    } catch (error) {
      this.dissectorsFailed(error);
    } finally {
      this.fetchingRows = false;
    }
    if (isOutdated) void this.fetchRows();
  }

  private async applyFilter(): Promise<void> {
    const text = this.filterText.peek().trim();
    if (!this.dissectors) return;
    try {
      const error = await this.dissectors.call('check', { filter: text });
      if (text !== this.filterText.peek().trim()) return;
      if (error) this.filterState.value = { kind: 'invalid', message: error };
      else if (text !== '') this.filterState.value = { kind: 'valid' };
      if (error || text === this.filter) return;
      this.filter = text;
      this.refreshNow();
    } catch (error) {
      this.dissectorsFailed(error);
    }
  }

  private dissectorsFailed(error: unknown): void {
    // Calls that were under way fail, too, when the dissectors are closed.
    if (this.ending.signal.aborted || !['loading', 'on'].includes(this.dissection.peek().phase)) return;
    this.dissectors?.close();
    this.dissectors = undefined;
    const message = error instanceof Error ? error.message : String(error);
    this.dissection.value =
      error instanceof DissectorsMissing ? { phase: 'missing' } : { phase: 'failed', message };
    this.forgetDissection();
  }

  private forgetDissection(): void {
    batch(() => {
      this.filter = '';
      this.filterText.value = '';
      this.filterState.value = { kind: 'empty' };
      this.selectedField.value = undefined;
      const selected = this.selected.peek();
      if (selected) this.selected.value = { ...selected, dissected: undefined };
      this.showHeaders();
    });
  }

  private headerRow(number: number): Row | undefined {
    if (!this.shown.has(number)) return undefined;
    const facts = this.shown.facts(number);
    const linkType = this.capture.interfaces[facts.interfaceId]?.captured.linkType ?? -1;
    return {
      number,
      ...this.placeOf(facts),
      length: facts.originalLength,
      ...summarize(linkType, this.shown.data(number)),
    };
  }

  private placeOf({ timestamp, interfaceId }: Pick<PacketFacts, 'timestamp' | 'interfaceId'>) {
    const { capture } = this;
    const sinceStart = capture.timeOf(timestamp, interfaceId) - (capture.startTime ?? 0n);
    return { time: secondsText(sinceStart), interface: capture.interfaces[interfaceId]?.name ?? '' };
  }
}

/** Nanoseconds as seconds with microseconds. */
function secondsText(nanoseconds: bigint): string {
  const isNegative = nanoseconds < 0n;
  const microseconds = (isNegative ? -nanoseconds : nanoseconds) / 1000n;
  const fraction = String(microseconds % 1_000_000n).padStart(6, '0');
  return `${isNegative ? '-' : ''}${microseconds / 1_000_000n}.${fraction}`;
}

/** A browser may refuse to store anything; the dissectors are then loaded only when they are asked for. */
function remembered(): boolean {
  try {
    return localStorage.getItem(STORED_CHOICE) === 'on';
  } catch {
    return false;
  }
}

function remember(choice: 'on' | 'off'): void {
  try {
    localStorage.setItem(STORED_CHOICE, choice);
  } catch {
    // See above.
  }
}
