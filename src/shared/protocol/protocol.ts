/**
 * What the server and an engine say to each other, over the engine's unix socket. This is the only file that
 * both sides of the privilege border import, beside lines.ts.
 *
 * The first line on a connection says what the connection is for (see `Greeting`). A *control* connection then
 * carries messages as JSON, one per line, in both directions. A *data* connection belongs to one capture: it
 * carries raw pcapng from the engine to the server and nothing else. Closing it ends the capture.
 */

/** Bumped whenever a message changes its meaning; server and engine come from the same build. */
export const PROTOCOL_VERSION = 2;

/** No line of this protocol may be longer than this, in bytes: 1,000 interface names are 61 kB. */
export const MAX_LINE_BYTES = 512 * 1024;

/** pcap-filter(7) text longer than this is refused unread: compiling can take minutes (see docs/adr). */
export const MAX_FILTER_BYTES = 4096;

/**
 * At most so many connections, and so many endpoints, can be left out of a capture: compiling takes as long as their
 * number squared, and 1,000 of them overflow the stack of libpcap's compiler.
 */
export const MAX_EXCLUSIONS = 32;

/** Most bytes kept of a packet: libpcap's own maximum (MAXIMUM_SNAPLEN), which no packet of an interface exceeds. */
export const MAX_SNAPSHOT_LENGTH = 262_144;

/** The longest time that a capture can be given, in seconds: timers take no more than 2^31 - 1 ms, that is 24 days. */
export const MAX_DURATION_SECONDS = 2_000_000;

/** Ring memory that each capture finds at the least, in MiB: the smallest ring that is of use, twice. */
export const LEAST_CAPTURE_MEBIBYTES = 2;

/** How packets are taken out of the kernel: from its ring itself where the kind of interface allows that, or by libpcap. */
export const PACKET_METHODS = ['ring', 'libpcap'] as const;
export type PacketMethod = (typeof PACKET_METHODS)[number];

/** A namespace to capture from, and what must be true of it at the time it is opened. */
export interface NetnsReference {
  /** Inode number of the network namespace, as in `ls -L -i /proc/PID/ns/net`; > 0. */
  readonly netns: number;
  /** A process that must be in that namespace; absent: not checked, and looked for in all of /proc. */
  readonly pid?: number;
  /** The start time which that process must still have: field 22 of proc_pid_stat(5), in clock ticks. */
  readonly startTime?: number;
}

/** One TCP connection, seen from either side. Addresses are IPv4 or IPv6 literals, never IPv4-mapped. */
export interface TcpConnection {
  readonly address: string;
  readonly port: number;
  readonly peerAddress: string;
  readonly peerPort: number;
}

/** One side of TCP connections: an address (as in `TcpConnection`), a port or both; never neither. */
export type TcpEndpoint =
  | { readonly address: string; readonly port?: number }
  | { readonly address?: undefined; readonly port: number };

/** Where a capture ends by itself, and who wanted that: the reason of the end tells. */
export interface CaptureLimit {
  /** A positive integer. */
  readonly atMost: number;
  readonly setBy: 'request' | 'service';
}

/** What ends a capture by itself, with the end code `limit-reached`; absent: no such limit. */
export interface CaptureLimits {
  /** Seconds since the capture began; at most MAX_DURATION_SECONDS. */
  readonly duration?: CaptureLimit;
  /** Bytes of the stream up to its last packet; only the statistics of the end may follow. */
  readonly bytes?: CaptureLimit;
  /** Packets of the stream, over all interfaces. */
  readonly packets?: CaptureLimit;
}

/** Everything an engine needs to know to run one capture. */
export interface CaptureSpec {
  /** What the log calls it: lower case letters and hyphens, 64 at most. */
  readonly captureId?: string;
  readonly reference: NetnsReference;
  /** Names of the interfaces wished for; empty: all of the namespace, later ones included. */
  readonly interfaces: readonly string[];
  /** Capture filter in pcap-filter(7) syntax, for every interface; empty: none. */
  readonly filter: string;
  readonly promiscuous: boolean;
  /** Comment options of the section header block, in this order, UTF-8. */
  readonly sectionComments: readonly string[];
  /** Connections whose packets must not be recorded: those that carry this very capture. */
  readonly excludedConnections: readonly TcpConnection[];
  /** Endpoints whose TCP packets must not be recorded: where the capture is relayed, see `--exclude`. */
  readonly excludedEndpoints: readonly TcpEndpoint[];
  /** Most bytes kept of each packet; absent: MAX_SNAPSHOT_LENGTH. */
  readonly snapshotLength?: number;
  readonly limits?: CaptureLimits;
}

/** First line of a connection. */
export type Greeting =
  { readonly type: 'control'; readonly version: number } | { readonly type: 'data'; readonly id: string };

/** Server → engine, on the control connection. */
export type EngineRequest =
  /** Open, verify and begin; `id` is a UUID made by the server, and names the data connection as well. */
  | { readonly type: 'start'; readonly id: string; readonly order: CaptureSpec }
  /** Deliver what the rings hold, write the statistics, end the stream. Unknown ids are ignored. */
  | { readonly type: 'stop'; readonly id: string }
  /** Tell what you have done so far; `id` comes back with the answer. */
  | { readonly type: 'report'; readonly id: string };

/** Why an engine would not begin a capture. Each has its close code in capture/close-codes.ts. */
export const REFUSAL_CODES = [
  'invalid-request',
  'invalid-interface',
  'invalid-filter',
  'no-such-namespace',
  'no-such-interface',
  'stale-reference',
  'too-many-captures',
  'not-permitted',
  'internal',
] as const;
export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** Why a capture that had begun is over. */
export const END_CODES = ['stopped', 'target-ended', 'limit-reached', 'internal'] as const;
export type EndCode = (typeof END_CODES)[number];

/** What was delivered and what was lost, over all interfaces. */
export interface CaptureTotals {
  readonly packets: number;
  readonly bytes: number;
  /** Packets that the kernel dropped because the ring was full. */
  readonly dropped: number;
}

/** What an engine has done since it began, and what it holds now. */
export interface EngineReport {
  readonly captures: number;
  readonly totals: CaptureTotals;
  /** Set aside for the rings of captures. */
  readonly ringBytes: number;
  /** All that there is for them. */
  readonly mostRingBytes: number;
}

/** Why an engine cannot capture, as a readable sentence, and which of its needs is not met. */
export interface EngineProblem {
  readonly part: 'capabilities' | 'libpcap';
  readonly message: string;
}

/** Engine → server, on the control connection. */
export type EngineEvent =
  /** Sent once, first. No `problems`: all is well. */
  | { readonly type: 'hello'; readonly version: number; readonly problems: readonly EngineProblem[] }
  | { readonly type: 'started'; readonly id: string; readonly interfaces: readonly string[] }
  | { readonly type: 'refused'; readonly id: string; readonly code: RefusalCode; readonly message: string }
  | {
      readonly type: 'ended';
      readonly id: string;
      readonly code: EndCode;
      readonly message: string;
      readonly totals: CaptureTotals;
    }
  | { readonly type: 'report'; readonly id: string; readonly report: EngineReport };

/** Linux: IFNAMSIZ - 1. */
const MAX_INTERFACE_NAME_BYTES = 15;
/** What libpcap takes for something else than a network interface, even where an interface has such a name. */
const TAKEN_BY_LIBPCAP = /^(any$|nflog|nfqueue|usbmon|bluetooth|dbus-|rpcap|tcp@)/i;

/**
 * Why a text cannot be the name of an interface to capture from; undefined: it can. Names reach libpcap, which opens
 * much more than interfaces: programs, sockets of other machines. Both sides of the border check them.
 */
export function whyNotAnInterfaceName(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (Buffer.byteLength(name) > MAX_INTERFACE_NAME_BYTES) {
    return `is longer than ${MAX_INTERFACE_NAME_BYTES} bytes`;
  }
  if (name === '.' || name === '..') return 'is not a name';
  if (/^[0-9]+$/.test(name)) return 'is a number';
  if (name.startsWith('-')) return 'begins with a hyphen';
  // eslint-disable-next-line no-control-regex -- control characters are what it is about
  if (/[/:\s\u0000-\u001f\u007f]/.test(name)) return 'holds a character that no interface name has';
  if (TAKEN_BY_LIBPCAP.test(name)) return 'means something else than an interface to libpcap';
  return undefined;
}
