import type { InterfaceList } from '../../shared/linux/rtnetlink.js';
import type { Pointer } from '../../shared/linux/native.js';
import type { PcapOptions } from '../pcap/libpcap.js';
import type { FoundHolder, NamespaceHolder } from '../../shared/linux/namespace-holders.js';
import type { SearchOutcome } from '../../shared/linux/namespaces.js';
import type { PacketRing, PacketRingOptions } from '../ring/packet-ring.js';
import type { PacketMethod } from '../../shared/protocol/protocol.js';
import type { NetnsReference } from '../../shared/protocol/capture-spec.js';

/** The tasks of the opener threads: all that block in the kernel or enter a namespace. */
export interface OpenerTasks {
  /** Opens and verifies a namespace, and lists its interfaces. */
  openNamespace: { argument: NamespaceOpening; result: OpenedNamespace };
  /** Searches for what holds each of these namespaces, see `searchNamespaces`. */
  searchNamespaces: { argument: readonly number[]; result: SearchOutcome[] };
  openInterface: { argument: InterfaceOpening; result: OpenedInterface };
  /** Replaces the filter of an open interface. */
  setFilter: { argument: FilterSetting; result: FilterPlace };
  /** Closes interfaces that are no longer read. */
  closeInterfaces: { argument: readonly OpenSource[]; result: void };
  /** For each namespace, what holds it now; undefined: search for it. */
  checkHolders: { argument: readonly FoundHolder[]; result: (NamespaceHolder | undefined)[] };
}

export interface NamespaceOpening {
  readonly reference: NetnsReference;
  /** What to open it by, see `openNamespace`. */
  readonly holder?: NamespaceHolder;
}

export interface OpenedNamespace {
  /** Open descriptor of the namespace. */
  readonly fd: number;
  readonly holder: NamespaceHolder;
  readonly list: InterfaceList;
}

export interface InterfaceOpening {
  readonly namespaceFd: number;
  readonly method: PacketMethod;
  readonly options: PcapOptions & PacketRingOptions;
  readonly filter: InterfaceFilter;
}

export interface InterfaceFilter {
  /** Text of the exclusion filter, see capture-filter.ts; empty: none. */
  readonly exclusion: string;
  /** DLT_ value that `program` was compiled for. */
  readonly dlt: number;
  readonly program?: Uint8Array;
  /** Number of bytes that the kernel keeps of each packet. */
  readonly snapshotLength: number;
}

/** A source of packets; `closeInterfaces` closes it. */
export type OpenSource =
  | { readonly kind: 'ring'; readonly ring: PacketRing }
  /** A `pcap_t *`. */
  | { readonly kind: 'libpcap'; readonly handle: Pointer };

export interface OpenedInterface {
  readonly source: OpenSource;
  /** DLT_ value. If it is not that of the filter, nothing passes until `setFilter`. */
  readonly dlt: number;
  readonly filterPlace: FilterPlace;
}

/** Where the program of a filter runs: in the reader if it is too large for the kernel. */
export type FilterPlace = 'kernel' | 'reader';

export interface FilterSetting {
  readonly source: OpenSource;
  readonly filter: InterfaceFilter;
}

export type OpenerTaskName = keyof OpenerTasks;

/** Message from the engine to a thread. */
export interface OpenerCall {
  readonly task: OpenerTaskName;
  readonly argument: unknown;
}

/** Its answer. An error loses its class on the way and keeps its `code`. */
export type OpenerReply =
  { readonly result: unknown } | { readonly error: { readonly code: string; readonly message: string } };
