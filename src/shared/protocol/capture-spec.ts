import { isIP } from 'node:net';
import { CaptureError, excerpt } from './capture-error.js';
import {
  MAX_DURATION_SECONDS,
  MAX_FILTER_BYTES,
  MAX_INTERFACE_NAME_BYTES,
  MAX_SNAPSHOT_LENGTH,
} from './limits.js';

/**
 * Maximum number of excluded connections, and of excluded endpoints. The time to compile the filter grows with the
 * square of their number, and 1,000 of them overflow the stack of libpcap's compiler.
 */
export const MAX_EXCLUSIONS = 32;

/** Maximum number of interface names. It takes some 20 ms to check them, in which the process does nothing else. */
export const MAX_INTERFACE_NAMES = 32_768;

/** Maximum number of members of a set at the same time. */
export const MAX_MEMBERS = 4096;

/** Longest name and longest description of a member of a set, in bytes: a block must have room for many comments. */
export const MAX_MEMBER_TEXT_BYTES = 4096;

/** Each comment may have 64 KiB, and all of them must fit into the section header block. */
const MAX_COMMENTS = 4;

/** Names for which libpcap opens something other than the network interface of that name. */
const RESERVED_BY_LIBPCAP = /^(any$|nflog|nfqueue|usbmon|bluetooth|dbus-|rpcap|tcp@)/i;

/** A network namespace, and the conditions that are verified after it was opened. */
export interface NetnsReference {
  /** Inode number of the network namespace, as in `ls -L -i /proc/PID/ns/net`; > 0. */
  readonly netns: number;
  /** A process that must be in that namespace; absent: the namespace is searched for in all of /proc. */
  readonly pid?: number;
  /** Start time that the process must have: field 22 of proc_pid_stat(5), in clock ticks since boot. */
  readonly startTime?: number;
  /** Name of the host, for providers that capture on several; absent: this one. */
  readonly node?: string;
}

/** One TCP connection. Addresses are IPv4 or IPv6 literals, never IPv4-mapped and without a zone. */
export interface TcpConnection {
  readonly address: string;
  readonly port: number;
  readonly peerAddress: string;
  readonly peerPort: number;
}

/** One side of TCP connections: an address (as in {@link TcpConnection}), a port, or both. */
export type TcpEndpoint =
  | { readonly address: string; readonly port?: number }
  | { readonly address?: undefined; readonly port: number };

/** A limit, and who set it: the reason of the end names the latter. */
export interface CaptureLimit {
  /** A positive integer. */
  readonly max: number;
  readonly setBy: 'request' | 'service';
}

/** Limits that end a capture with the code `limit-reached`; absent: unlimited. */
export interface CaptureLimits {
  /** Seconds since the capture began; at most {@link MAX_DURATION_SECONDS}. */
  readonly duration?: CaptureLimit;
  /** Bytes of the stream up to its last packet; only final statistics may follow. */
  readonly bytes?: CaptureLimit;
  /** Packets of the stream, over all interfaces. */
  readonly packets?: CaptureLimit;
}

/** What all captures have: one stream. The server builds it, the engine validates it. */
export interface StreamSpec {
  /** Name of the capture, in logs too: 1 to 64 lower case letters and hyphens; unique among running captures. */
  readonly captureId: string;
  /** Names of the interfaces; empty: all of a namespace, including those that are created later. */
  readonly interfaces: readonly string[];
  /** Capture filter in pcap-filter(7) syntax, applied to every interface; empty: none. */
  readonly filter: string;
  readonly promiscuous: boolean;
  /** Whether the packets carry their direction, where it is known; absent: no. */
  readonly direction?: boolean;
  /** Comment options of the section header block, in this order. */
  readonly sectionComments: readonly string[];
  /** Connections whose packets are not recorded: those that carry this very capture. */
  readonly excludedConnections: readonly TcpConnection[];
  /** Endpoints whose TCP packets are not recorded: where the capture is relayed, see `--exclude`. */
  readonly excludedEndpoints: readonly TcpEndpoint[];
  /** Maximum number of bytes kept of each packet; absent: {@link MAX_SNAPSHOT_LENGTH}. */
  readonly snapshotLength?: number;
  readonly limits?: CaptureLimits;
}

/** Everything that is needed to run the capture of one namespace. */
export interface CaptureSpec extends StreamSpec {
  readonly reference: NetnsReference;
}

/**
 * Everything that is needed to run the capture of a set, whose members join while it runs. With a reference it begins like a
 * capture of one namespace, which is member 0, and goes on when that has ended.
 */
export type SetSpec = StreamSpec | (CaptureSpec & { readonly follow: true });

/** A member of a set: a namespace that is captured from as long as it belongs to the set. */
export interface SetMember {
  /** Distinguishes the members of a capture, of now and of before. */
  readonly id: number;
  readonly reference: NetnsReference;
  /** Before the names of its interfaces, with a colon between them; empty: these stay as they are. */
  readonly name: string;
  /** For people: describes its interfaces, and what joins and leaves. */
  readonly description: string;
}

/**
 * Validates a capture spec that came across the boundary. The server has validated the client's input by the same
 * rules, but the engine does not trust the server.
 *
 * @throws CaptureError `invalid-request`, `invalid-interface`, `invalid-filter`
 */
export function validateCaptureSpec(value: unknown): CaptureSpec | SetSpec {
  const spec = asRecord(value, 'spec');
  const { direction = false, follow = false } = spec;
  if (!isCaptureId(spec['captureId'])) throw invalid('captureId', 'is not a capture id');
  if (typeof spec['promiscuous'] !== 'boolean') throw invalid('promiscuous', 'is not a boolean');
  if (typeof direction !== 'boolean') throw invalid('direction', 'is not a boolean');
  if (typeof follow !== 'boolean') throw invalid('follow', 'is not a boolean');
  return {
    captureId: spec['captureId'],
    ...optional('reference', spec['reference'], validateReference),
    interfaces: [
      ...new Set(asList(spec['interfaces'], 'interfaces', MAX_INTERFACE_NAMES).map(validateInterfaceName)),
    ],
    filter: validateFilter(spec['filter']),
    promiscuous: spec['promiscuous'],
    ...(direction && { direction }),
    ...(follow && { follow }),
    sectionComments: asList(spec['sectionComments'], 'sectionComments', MAX_COMMENTS).map(asText),
    excludedConnections: asList(spec['excludedConnections'], 'excludedConnections', MAX_EXCLUSIONS).map(
      validateConnection,
    ),
    excludedEndpoints: asList(spec['excludedEndpoints'], 'excludedEndpoints', MAX_EXCLUSIONS).map(
      validateEndpoint,
    ),
    ...optional('snapshotLength', spec['snapshotLength'], (length) =>
      positiveInteger(length, 'snapshotLength', MAX_SNAPSHOT_LENGTH),
    ),
    ...optional('limits', spec['limits'], validateLimits),
  };
}

/** Validates a member that came across the boundary. @throws CaptureError `invalid-request` */
export function validateSetMember(value: unknown): SetMember {
  const { id, reference, name, description } = asRecord(value, 'member');
  return {
    id: positiveInteger(id, 'id'),
    reference: validateReference(reference),
    name: asShortText(name),
    description: asShortText(description),
  };
}

/** Whether this can be the name of a capture. */
export function isCaptureId(value: unknown): value is string {
  return typeof value === 'string' && /^[a-z-]{1,64}$/.test(value);
}

/**
 * @returns the filter as it was given
 * @throws CaptureError `invalid-filter`
 */
export function validateFilter(filter: unknown): string {
  if (typeof filter !== 'string') throw new CaptureError('invalid-filter', 'filter is not a string');
  if (Buffer.byteLength(filter) > MAX_FILTER_BYTES) {
    throw new CaptureError('invalid-filter', `filter is longer than ${MAX_FILTER_BYTES} bytes`);
  }
  // A C string ends there, so libpcap would compile less than the user wrote.
  if (filter.includes('\0')) throw new CaptureError('invalid-filter', 'filter contains a zero character');
  return filter;
}

/**
 * @returns the name as it was given
 * @throws CaptureError `invalid-interface`
 */
export function validateInterfaceName(name: unknown): string {
  const text = asText(name);
  const problem = whyNotAnInterfaceName(text);
  if (problem === undefined) return text;
  throw new CaptureError('invalid-interface', `nif: "${excerpt(text)}" ${problem}`);
}

/**
 * Why a text cannot be the name of an interface to capture from; undefined: it can. Names reach libpcap, which opens
 * other things than interfaces as well: programs, and sockets of other hosts.
 */
export function whyNotAnInterfaceName(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (Buffer.byteLength(name) > MAX_INTERFACE_NAME_BYTES) {
    return `is longer than ${MAX_INTERFACE_NAME_BYTES} bytes`;
  }
  if (name === '.' || name === '..') return 'is not a name';
  if (/^[0-9]+$/.test(name)) return 'is a number';
  if (name.startsWith('-')) return 'begins with a hyphen';
  // eslint-disable-next-line no-control-regex -- control characters are what is rejected
  if (/[/:\s\u0000-\u001f\u007f]/.test(name)) return 'contains a character that interface names cannot have';
  if (RESERVED_BY_LIBPCAP.test(name)) return 'is not a network interface to libpcap';
  return undefined;
}

function validateReference(value: unknown): NetnsReference {
  const { netns, pid, startTime } = asRecord(value, 'reference');
  return {
    netns: positiveInteger(netns, 'netns'),
    ...optional('pid', pid, positiveInteger),
    ...optional('startTime', startTime, positiveInteger),
  };
}

function validateConnection(value: unknown): TcpConnection {
  const { address, port, peerAddress, peerPort } = asRecord(value, 'connection');
  return {
    address: ipAddress(address),
    port: positiveInteger(port, 'port'),
    peerAddress: ipAddress(peerAddress),
    peerPort: positiveInteger(peerPort, 'peerPort'),
  };
}

function validateEndpoint(value: unknown): TcpEndpoint {
  const { address, port } = asRecord(value, 'endpoint');
  if (address === undefined) return { port: positiveInteger(port, 'port') };
  return { address: ipAddress(address), ...optional('port', port, positiveInteger) };
}

function validateLimits(value: unknown): CaptureLimits {
  const { duration, bytes, packets } = asRecord(value, 'limits');
  return {
    ...optional('duration', duration, (limit, name) => validateLimit(limit, name, MAX_DURATION_SECONDS)),
    ...optional('bytes', bytes, validateLimit),
    ...optional('packets', packets, validateLimit),
  };
}

function validateLimit(value: unknown, name: string, largestMax?: number): CaptureLimit {
  const { max, setBy } = asRecord(value, name);
  if (setBy !== 'request' && setBy !== 'service') throw invalid(name, 'does not say who set it');
  return { max: positiveInteger(max, name, largestMax), setBy };
}

function ipAddress(value: unknown): string {
  if (typeof value !== 'string' || isIP(value) === 0 || value.includes('%')) {
    throw invalid('address', 'is not an IP address');
  }
  return value;
}

function positiveInteger(value: unknown, name: string, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) {
    throw invalid(name, 'is not a positive integer');
  }
  if (value > max) throw invalid(name, `is greater than ${max}`);
  return value;
}

/** An object with one attribute, or with none where the value is absent. */
function optional<Name extends string, Value>(
  name: Name,
  value: unknown,
  validate: (value: unknown, name: string) => Value,
): Partial<Record<Name, Value>> {
  return value === undefined ? {} : ({ [name]: validate(value, name) } as Record<Name, Value>);
}

function asText(value: unknown): string {
  if (typeof value !== 'string') throw invalid('text', 'is not a string');
  return value;
}

function asShortText(value: unknown): string {
  const text = asText(value);
  if (Buffer.byteLength(text) > MAX_MEMBER_TEXT_BYTES) throw invalid('text', 'is too long');
  return text;
}

function asRecord(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(name, 'is not an object');
  }
  return value as Record<string, unknown>;
}

function asList(value: unknown, name: string, max = Infinity): unknown[] {
  if (!Array.isArray(value)) throw invalid(name, 'is not an array');
  if (value.length > max) throw invalid(name, `has more than ${max} elements`);
  return value;
}

function invalid(name: string, problem: string): CaptureError {
  return new CaptureError('invalid-request', `${name} ${problem}`);
}
