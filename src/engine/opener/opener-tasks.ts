import type { Interface } from '../../shared/linux/rtnetlink.js';
import type { Pointer } from '../../shared/linux/native.js';
import type { PcapOptions } from '../pcap/libpcap.js';
import type { NamespaceHolder } from '../../shared/linux/namespace-holders.js';
import type { PacketRing, PacketRingOptions } from '../ring/packet-ring.js';
import type { PacketMethod } from '../../shared/protocol/protocol.js';
import type { NetnsReference } from '../../shared/protocol/capture-spec.js';

/** What is left to the opener threads, since it makes a thread wait for the kernel, or visits a namespace. */
export interface OpenerTasks {
  /** Opens and verifies a namespace, and lists its interfaces. */
  openNamespace: { argument: NetnsReference; result: OpenedNamespace };
  openInterface: { argument: InterfaceOpening; result: OpenedInterface };
  /** Replaces the filter of an open interface. */
  setFilter: { argument: FilterSetting; result: FilterPlace };
  /** Closes interfaces that nobody reads from any more. */
  closeInterfaces: { argument: readonly OpenSource[]; result: void };
  /** For each namespace: what holds it now; undefined: nothing does. */
  checkHolders: { argument: readonly HeldNamespace[]; result: (NamespaceHolder | undefined)[] };
}

export interface OpenedNamespace {
  /** Open descriptor of the namespace. */
  readonly fd: number;
  readonly holder: NamespaceHolder;
  /** An rtnetlink(7) socket that tells of changes, see interface-watch.ts. */
  readonly watchFd: number;
  readonly interfaces: readonly Interface[];
}

export interface InterfaceOpening {
  readonly namespaceFd: number;
  readonly method: PacketMethod;
  readonly options: PcapOptions & PacketRingOptions;
  readonly filter: InterfaceFilter;
}

export interface InterfaceFilter {
  /** Text of our own that leaves out connections; empty: none. */
  readonly exclusion: string;
  /** DLT_ value that `program` was compiled for. */
  readonly linkType: number;
  readonly program?: Uint8Array;
  /** How much the kernel is to keep of each packet, in bytes. */
  readonly snapshotLength: number;
}

/** What packets are read from; to be closed by `closeInterfaces`. */
export type OpenSource =
  | { readonly kind: 'ring'; readonly ring: PacketRing }
  /** A `pcap_t *`. */
  | { readonly kind: 'libpcap'; readonly handle: Pointer };

export interface OpenedInterface {
  readonly source: OpenSource;
  /** DLT_ value. Where it is not that of the filter, nothing passes until the filter has been set. */
  readonly linkType: number;
  readonly filterPlace: FilterPlace;
}

/** Where the program of a filter runs: the reader has to do what is too large for the kernel. */
export type FilterPlace = 'kernel' | 'reader';

export interface FilterSetting {
  readonly source: OpenSource;
  readonly filter: InterfaceFilter;
}

export interface HeldNamespace {
  readonly netns: number;
  readonly holder: NamespaceHolder;
}

export type OpenerTaskName = keyof OpenerTasks;

/** From the engine to a thread. */
export interface OpenerCall {
  readonly id: number;
  readonly task: OpenerTaskName;
  readonly argument: unknown;
}

/** And back. An error loses its class on the way: `code` remains. */
export type OpenerReply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly code: string; readonly message: string } };
