/** What is used of @goodtools/wiregasm, which is not part of this program: it is loaded when it is there. */

/** A C++ vector. It and the vectors in what `get` returns are freed by `delete`. */
export interface Vector<T> {
  size(): number;
  get(index: number): T;
  delete(): void;
}

export interface WiregasmFrame {
  readonly number: number;
  readonly bg: number;
  readonly fg: number;
  readonly columns: Vector<string>;
}

export interface WiregasmTree {
  readonly label: string;
  readonly filter: string;
  readonly start: number;
  readonly length: number;
  readonly data_source_idx: number;
  /** `framenum`: the field is the number of a frame, `fnum`. */
  readonly type: string;
  readonly fnum: number;
  readonly tree: Vector<WiregasmTree>;
}

export interface WiregasmPacket {
  readonly comments: Vector<string>;
  /** `data` is in base64. */
  readonly data_sources: Vector<{ readonly name: string; readonly data: string }>;
  readonly tree: Vector<WiregasmTree>;
  readonly follow: Vector<Vector<string>>;
}

export interface WiregasmSession {
  load(): {
    readonly code: number;
    readonly error: string;
    readonly summary: { readonly packet_count: number };
  };
  getFrames(
    filter: string,
    skip: number,
    limit: number,
  ): { readonly frames: Vector<WiregasmFrame>; readonly matched: number };
  getFrame(number: number): WiregasmPacket;
  delete(): void;
}

export interface Wiregasm {
  readonly FS: { writeFile(path: string, data: Uint8Array): void };
  readonly DissectSession: new (path: string) => WiregasmSession;
  init(): boolean;
  wiresharkVersion(): string;
  checkFilter(filter: string): { readonly ok: boolean; readonly error: string };
  getUploadDirectory(): string;
}

export type LoadWiregasm = (options: {
  readonly wasmBinary: ArrayBuffer;
  readonly getPreloadedPackage: () => ArrayBuffer;
  readonly print: () => void;
  readonly printErr: () => void;
  readonly handleStatus: () => void;
}) => Promise<Wiregasm>;
