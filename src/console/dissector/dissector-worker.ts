/**
 * Runs Wireshark's dissectors in a worker, because they are megabytes of C that read untrusted packets. The worker is a classic
 * script, and its Content-Security-Policy lets it fetch nothing but scripts of the service, so the page passes it all it needs.
 */
import { ENHANCED_PACKET_BLOCK, TOTAL_LENGTH_OFFSET } from '../../shared/pcapng/format.js';
import { PacketWindow, pcapngFile } from '../watch/packet-window.js';
import { viewOf } from '../watch/pcapng-reader.js';
import { visibleText } from '../visible-text.js';
import type {
  Dissected,
  DissectedPacket,
  DissectedRow,
  DissectorAnswer,
  DissectorCall,
  DissectorCalls,
  DissectorRequest,
  RowRange,
  Rows,
  TreeNode,
} from './messages.js';
import type {
  LoadWiregasm,
  Vector,
  Wiregasm,
  WiregasmFrame,
  WiregasmSession,
  WiregasmTree,
} from './wiregasm.js';

declare function importScripts(...urls: readonly string[]): void;
declare const loadWiregasm: LoadWiregasm;

const MAX_COLUMN_CHARACTERS = 500;
const MAX_LABEL_CHARACTERS = 1000;
/** A packet can have as many fields as it likes. */
const MAX_TREE_NODES = 5000;
const MAX_TREE_DEPTH = 60;
const MAX_SOURCES = 20;

/** Where Wireshark names another frame in the column Info. */
const FRAME_IN_INFO = /(?<=\((?:reply|request) in |\[Reassembled in #|\[(?:Response|Request) in: #?)\d+/g;

class Dissector {
  private readonly window = new PacketWindow();
  private header: Uint8Array = new Uint8Array();
  private session: WiregasmSession | undefined;
  private readonly file: string;

  private constructor(private readonly wiregasm: Wiregasm) {
    this.file = `${wiregasm.getUploadDirectory()}/window.pcapng`;
  }

  static async start({ wasm, data }: DissectorCalls['start']['takes']): Promise<Dissector> {
    importScripts('wiregasm.js');
    const silent = () => undefined;
    const wiregasm = await loadWiregasm({
      wasmBinary: wasm,
      getPreloadedPackage: () => data,
      print: silent,
      printErr: silent,
      handleStatus: silent,
    });
    if (!wiregasm.init()) throw new Error('the dissectors could not be initialized');
    return new Dissector(wiregasm);
  }

  get version(): string {
    return this.wiregasm.wiresharkVersion();
  }

  update({ header, first, from, blocks, filter, range }: DissectorCalls['update']['takes']): Dissected {
    const { window } = this;
    const isNew = header !== undefined || blocks.length > 0 || first > window.first || !this.session;
    if (header) this.header = header;
    window.dropBefore(Math.max(first, from > window.next ? from : 0));
    const view = viewOf(blocks);
    for (let offset = 0; offset < blocks.length;) {
      const length = view.getUint32(offset + TOTAL_LENGTH_OFFSET, true);
      if (view.getUint32(offset, true) === ENHANCED_PACKET_BLOCK)
        window.push(blocks.subarray(offset, offset + length));
      offset += length;
    }
    if (isNew) this.load();
    return { ...this.rows({ filter, range }), first: window.first, next: window.next };
  }

  rows({ filter, range }: DissectorCalls['rows']['takes']): Rows {
    if (!this.session || this.window.count === 0) return { matched: 0, from: 0, rows: [], anchor: undefined };
    const matched = this.matched(filter);
    const anchor = range.at === 'number' ? this.indexOf(range.number, filter, matched) : undefined;
    const from = Math.max(0, Math.min(beginOf(range, matched, anchor ?? 0), matched - range.limit));
    const rows = this.frames(filter, from, range.limit).map((frame) => this.rowOf(frame));
    return { matched, from, rows, anchor };
  }

  packet(number: number): DissectedPacket | undefined {
    if (!this.session || !this.window.has(number)) return undefined;
    const packet = this.session.getFrame(number - this.window.first + 1);
    const nodes = { left: MAX_TREE_NODES };
    const tree = treeOf(packet.tree, nodes, 0, (frame) => this.numberOf(frame));
    const sources = taken(packet.data_sources, MAX_SOURCES).map(({ name, data }) => ({
      name: visibleText(name, MAX_LABEL_CHARACTERS),
      bytes: Uint8Array.from(atob(data), (character) => character.charCodeAt(0)),
    }));
    packet.comments.delete();
    for (const each of taken(packet.follow)) each.delete();
    return { tree, sources };
  }

  check(filter: string): string {
    const { ok, error } = this.wiregasm.checkFilter(filter);
    return ok ? '' : visibleText(error, MAX_COLUMN_CHARACTERS) || 'This is no display filter.';
  }

  private load(): void {
    this.session?.delete();
    this.session = undefined;
    if (this.window.count === 0) return;
    this.wiregasm.FS.writeFile(this.file, pcapngFile(this.header, this.window));
    this.session = new this.wiregasm.DissectSession(this.file);
    const { code, error, summary } = this.session.load();
    if (code !== 0) throw new Error(`Wireshark cannot read the packets: ${error}`);
    if (summary.packet_count !== this.window.count) {
      throw new Error(`Wireshark reads ${summary.packet_count} packets instead of ${this.window.count}`);
    }
  }

  private matched(filter: string): number {
    // A limit of 0 would be none.
    const { frames, matched } = this.session!.getFrames(filter, 0, 1);
    freeFrames(frames);
    return matched;
  }

  /** Index of the first frame with at least this number among those that match. */
  private indexOf(number: number, filter: string, matched: number): number {
    if (!filter) return Math.min(matched, Math.max(0, number - this.window.first));
    let [low, high] = [0, matched];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const [frame] = this.frames(filter, middle, 1);
      if (frame && this.numberOf(frame.number) < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private frames(filter: string, skip: number, limit: number) {
    const { frames } = this.session!.getFrames(filter, skip, limit);
    return taken(frames).map(({ number, bg, fg, columns }) => ({ number, bg, fg, columns: taken(columns) }));
  }

  /** Number of a packet, from that of its frame in the file. */
  private numberOf(frame: number): number {
    return this.window.first + frame - 1;
  }

  private rowOf(frame: { number: number; bg: number; fg: number; columns: readonly string[] }): DissectedRow {
    const number = this.numberOf(frame.number);
    // Number, time and length are the page's own: those of the file begin anew with each window.
    const [, , source = '', destination = '', protocol = '', , info = ''] = frame.columns.map((text) =>
      visibleText(text, MAX_COLUMN_CHARACTERS),
    );
    const { interfaceId, timestamp, originalLength } = this.window.facts(number);
    return {
      number,
      interfaceId,
      timestamp,
      originalLength,
      source,
      destination,
      protocol,
      info: info.replace(FRAME_IN_INFO, (frame) => String(this.numberOf(Number(frame)))),
      foreground: frame.fg,
      background: frame.bg,
    };
  }
}

function beginOf(range: RowRange, matched: number, anchor: number): number {
  switch (range.at) {
    case 'end':
      return matched - range.limit;
    case 'index':
      return range.index;
    case 'number':
      return anchor - range.before;
  }
}

/** The elements of a vector, which is freed. */
function taken<T>(vector: Vector<T>, limit = Infinity): T[] {
  const elements = Array.from({ length: Math.min(limit, vector.size()) }, (_, index) => vector.get(index));
  vector.delete();
  return elements;
}

function freeFrames(frames: Vector<WiregasmFrame>): void {
  for (const { columns } of taken(frames)) columns.delete();
}

function treeOf(
  vector: Vector<WiregasmTree>,
  nodes: { left: number },
  depth: number,
  numberOf: (frame: number) => number,
): TreeNode[] {
  const result: TreeNode[] = [];
  for (let index = 0; index < vector.size(); index++) {
    if (nodes.left-- <= 0) {
      if (nodes.left === -1) result.push({ ...MORE_NODES });
      break;
    }
    const node = vector.get(index);
    if (depth >= MAX_TREE_DEPTH) node.tree.delete();
    const frame = frameIn(node);
    const label = renumbered(node.label, frame, numberOf);
    result.push({
      label: visibleText(label, MAX_LABEL_CHARACTERS),
      // A filter that names a frame would mean another one as soon as packets have left the window.
      filter: frame === undefined ? visibleText(node.filter, MAX_LABEL_CHARACTERS) : '',
      source: node.data_source_idx,
      start: node.start,
      length: node.length,
      isProtocol: node.type === 'proto',
      children: depth < MAX_TREE_DEPTH ? treeOf(node.tree, nodes, depth + 1, numberOf) : [],
    });
  }
  vector.delete();
  return result;
}

/** The frame of the file that a field names first, if it names one. */
function frameIn({ type, fnum, filter, label }: WiregasmTree): number | undefined {
  if (type === 'framenum') return fnum;
  if (filter !== 'frame' && !filter.startsWith('frame.number ')) return undefined;
  return Number(/\d+/.exec(label)?.[0]);
}

/** A label with the numbers of packets instead of frames, also in that of reassembled segments: `#1(1448), #2(52)`. */
function renumbered(label: string, frame: number | undefined, numberOf: (frame: number) => number): string {
  if (frame !== undefined) return label.replace(new RegExp(`\\b${frame}\\b`), String(numberOf(frame)));
  if (!/^\[?\d+ Reassembled /.test(label)) return label;
  return label.replace(/(?<=#)\d+(?=\()/g, (each) => String(numberOf(Number(each))));
}

const MORE_NODES: TreeNode = {
  label: '… The packet has more fields than this page shows.',
  filter: '',
  source: 0,
  start: 0,
  length: 0,
  isProtocol: false,
  children: [],
};

let dissector: Dissector | undefined;

async function answer(request: DissectorRequest): Promise<DissectorCalls[DissectorCall]['answers']> {
  if (request.call === 'start') {
    dissector = await Dissector.start(request.takes);
    return { version: dissector.version };
  }
  if (!dissector) throw new Error('the dissectors have not been started');
  switch (request.call) {
    case 'update':
      return dissector.update(request.takes);
    case 'rows':
      return dissector.rows(request.takes);
    case 'packet':
      return dissector.packet(request.takes.number);
    case 'check':
      return dissector.check(request.takes.filter);
  }
}

// `self` is typed as a window.
const port = self as unknown as Pick<Worker, 'postMessage' | 'onmessage'>;

port.onmessage = async ({ data: request }: MessageEvent<DissectorRequest>) => {
  const { id } = request;
  try {
    port.postMessage({ id, answers: await answer(request) } satisfies DissectorAnswer);
  } catch (error) {
    port.postMessage({ id, crash: String(error) } satisfies DissectorAnswer);
  }
};
