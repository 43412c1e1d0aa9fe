/** What page and worker say to each other. Requests are answered in their order. */

/** A row of the packet list as Wireshark shows it, except for what the page itself knows of the packet. */
export interface DissectedRow {
  readonly number: number;
  readonly interfaceId: number;
  readonly timestamp: bigint;
  readonly originalLength: number;
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly info: string;
  /** From Wireshark's colouring rules, 0xRRGGBB. */
  readonly foreground: number;
  readonly background: number;
}

/** Which rows are wanted of those that the display filter lets through. */
export type RowRange =
  | { readonly at: 'end'; readonly limit: number }
  | { readonly at: 'index'; readonly index: number; readonly limit: number }
  /** Begins `before` rows before the first row that has at least this number. */
  | { readonly at: 'number'; readonly number: number; readonly before: number; readonly limit: number };

export interface Rows {
  /** How many packets the display filter lets through. */
  readonly matched: number;
  /** Index of the first row. */
  readonly from: number;
  readonly rows: readonly DissectedRow[];
  /** For a range at a number: the index of its first row with at least this number. */
  readonly anchor: number | undefined;
}

/** The packets that the answer is about. */
export interface Dissected extends Rows {
  readonly first: number;
  readonly next: number;
}

export interface TreeNode {
  readonly label: string;
  /** A display filter that selects this field with this value; may be empty. */
  readonly filter: string;
  /** Where the field is: bytes of a data source. */
  readonly source: number;
  readonly start: number;
  readonly length: number;
  readonly isProtocol: boolean;
  readonly children: readonly TreeNode[];
}

export interface DissectedPacket {
  readonly tree: readonly TreeNode[];
  /** The packet itself, and what was reassembled, decrypted or decompressed. */
  readonly sources: readonly { readonly name: string; readonly bytes: Uint8Array }[];
}

/** Requests by their names, with what they take and answer. */
export interface DissectorCalls {
  start: {
    takes: { readonly wasm: ArrayBuffer; readonly data: ArrayBuffer };
    answers: { readonly version: string };
  };
  /** Takes over new packets, and dissects all of the window anew if there are any. */
  update: {
    takes: {
      /** Section header and interface descriptions, if there are new ones. */
      readonly header: Uint8Array | undefined;
      /** Number of the oldest packet that is kept. */
      readonly first: number;
      /** Number of the first packet in `blocks`, which is the next one, or there is a gap. */
      readonly from: number;
      readonly blocks: Uint8Array;
      readonly filter: string;
      readonly range: RowRange;
    };
    answers: Dissected;
  };
  rows: { takes: { readonly filter: string; readonly range: RowRange }; answers: Rows };
  packet: { takes: { readonly number: number }; answers: DissectedPacket | undefined };
  /** Answers Wireshark's message for an invalid display filter, or nothing. */
  check: { takes: { readonly filter: string }; answers: string };
}

export type DissectorCall = keyof DissectorCalls;

export type DissectorRequest = {
  [Call in DissectorCall]: {
    readonly id: number;
    readonly call: Call;
    readonly takes: DissectorCalls[Call]['takes'];
  };
}[DissectorCall];

export type DissectorAnswer =
  | { readonly id: number; readonly answers: DissectorCalls[DissectorCall]['answers'] }
  /** The dissectors cannot go on after that. */
  | { readonly id: number; readonly crash: string };
