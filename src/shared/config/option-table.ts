import { MAX_DURATION_SECONDS, MAX_SNAPSHOT_LENGTH, MAX_PACKETS_OR_BYTES } from '../protocol/limits.js';
import { LOG_FORMATS } from '../logging/log-line.js';
import { MAX_EXCLUSIONS, MAX_MEMBERS } from '../protocol/capture-spec.js';
import { MIN_CAPTURE_MEBIBYTES, PACKET_METHODS } from '../protocol/protocol.js';
import { isListOfEndpoints } from '../protocol/tcp-endpoint.js';
import { NETWORKS } from './network-list.js';
import { NODES } from './node-list.js';
import { list, oneOf, onOrOff, text, wholeNumber, type OptionType } from './option-type.js';
import { TARGET_SETS } from './target-set-option.js';
import { canonicalOrigin } from './web-origin.js';

/** One option: everything that parsing, validation, `--help` and the documentation need to know about it. */
export interface OptionDescription {
  /** The configuration class that the option belongs to. */
  readonly section: 'service' | 'capture' | 'discovery' | 'cluster';
  /** The field of that class; unique in the whole table. */
  readonly field: string;
  readonly flag: string;
  readonly short?: string;
  readonly variable: string;
  readonly type: OptionType<unknown>;
  /** Name of the value in `--help`; switches have none. */
  readonly value?: string;
  /** Undefined: the option has no value unless it is given. */
  readonly defaultValue: unknown;
  /** The default in words, where the value alone does not explain it. */
  readonly defaultInWords?: string;
  readonly description: string;
}

/** Maximum number of rings that the engines can open if they may use all memory of the machine. */
const MAX_CAPTURES = 4096;

/** 1 TiB. */
const MAX_RING_MEBIBYTES = 1024 * 1024;

/** Smaller messages cost more CPU time than their packets; larger ones exceed what a unix socket buffers. */
const IN_FLIGHT_KIBIBYTES = { min: 16, max: 256, unit: 'KiB' };

const ADDRESS_OR_NAME = text(/^[\w.:%-]+$/, 'an address or a host name');
const USER = text(/^([a-z_][\w.-]*|\d{1,10}(:\d{1,10})?)$/i, 'a user name, a user id or UID:GID');
const OPERATOR_PORT: OptionType<string> = {
  ...text(/^(same|off|\d{1,5})$/, '"same", "off" or a port, a whole number from 0 to 65535'),
  accepts: (value) => value === 'same' || value === 'off' || isPort(value),
  parse: (given) => (given === 'same' || given === 'off' || isPort(given) ? given : undefined),
};
const FILE = text(/^[^\0]+$/, 'the name of a file');
const HEADER = text(/^[\w!#$%&'*+.^`|~-]{1,64}$/, 'the name of a header, such as X-Forwarded-User');
const ORIGINS = list(
  (items) => items.every((item) => canonicalOrigin(item) !== undefined),
  'origins of web pages, such as https://host.example:8443, without a path and never "null"',
);
const HOSTS = list(
  // With a port appended, an item that has a port already is not an origin.
  (items) => items.every((item) => canonicalOrigin(`http://${item}:1`) !== undefined),
  'host names, such as capture.example, without a port',
);
const ENDPOINTS = list(
  isListOfEndpoints,
  `at most ${MAX_EXCLUSIONS} numeric TCP endpoints, such as 8443, 192.0.2.1:443 or [2001:db8::1]:443`,
);

/**
 * The only list of the options. To add one, add an entry here and a field to the class of its section in
 * `server/config`. A flag takes precedence over its variable, and the variable over the default.
 */
const ENTRIES = [
  {
    section: 'service',
    field: 'port',
    flag: '--port',
    short: '-p',
    variable: 'PACKETFLIX_PORT',
    type: wholeNumber({ min: 0, max: 65_535 }),
    value: 'number',
    defaultValue: 5001,
    description: 'TCP port to listen on; 0 selects a free port',
  },
  {
    section: 'service',
    field: 'host',
    flag: '--host',
    variable: 'PACKETFLIX_HOST',
    type: ADDRESS_OR_NAME,
    value: 'address',
    defaultValue: undefined,
    defaultInWords: '127.0.0.1 and ::1',
    description: 'address or host name to listen on; :: for all addresses, IPv6 and IPv4',
  },
  {
    section: 'service',
    field: 'allowedOrigins',
    flag: '--allowed-origin',
    variable: 'PACKETFLIX_ALLOWED_ORIGIN',
    type: ORIGINS,
    value: 'origin',
    defaultValue: [],
    defaultInWords: 'none',
    description:
      'origin of web pages on other hosts that may use the service, such as https://host.example:8443; ' +
      'repeatable, or separated by commas',
  },
  {
    section: 'service',
    field: 'allowedHosts',
    flag: '--allowed-host',
    variable: 'PACKETFLIX_ALLOWED_HOST',
    type: HOSTS,
    value: 'name',
    defaultValue: [],
    defaultInWords: 'none',
    description:
      'host name by which browsers may use the service, besides addresses, localhost and the hosts of ' +
      '--allowed-origin; repeatable, or separated by commas',
  },
  {
    section: 'service',
    field: 'excludedEndpoints',
    flag: '--exclude',
    variable: 'PACKETFLIX_EXCLUDE',
    type: ENDPOINTS,
    value: 'endpoint',
    defaultValue: [],
    defaultInWords: 'none',
    description:
      'TCP endpoint that all captures leave out, such as that of a TLS proxy: 8443, 192.0.2.1, 192.0.2.1:443 or ' +
      '[2001:db8::1]:443; repeatable, or separated by commas',
  },
  {
    section: 'capture',
    field: 'maxCaptures',
    flag: '--max-captures',
    variable: 'PACKETFLIX_MAX_CAPTURES',
    type: wholeNumber({ min: 1, max: MAX_CAPTURES }),
    value: 'number',
    defaultValue: 256,
    description: 'maximum number of concurrent captures, at most 4096',
  },
  {
    section: 'capture',
    field: 'maxCapturesPerClient',
    flag: '--max-captures-per-client',
    variable: 'PACKETFLIX_MAX_CAPTURES_PER_CLIENT',
    type: wholeNumber({ min: 1, max: MAX_CAPTURES }),
    value: 'number',
    defaultValue: undefined,
    defaultInWords: 'none',
    description:
      'maximum number of concurrent captures per client address (IPv6: per /64 subnet); ' +
      'all clients of a proxy share its address',
  },
  {
    section: 'capture',
    field: 'ringMemoryMebibytes',
    flag: '--ring-memory',
    variable: 'PACKETFLIX_RING_MEMORY',
    type: wholeNumber({ min: 1, max: MAX_RING_MEBIBYTES, unit: 'MiB' }),
    value: 'MiB',
    defaultValue: 4096,
    description:
      'maximum memory for packets buffered in the kernel, all captures together; at least 2 MiB for each of --max-captures',
  },
  {
    section: 'capture',
    field: 'maxInFlightKibibytes',
    flag: '--max-in-flight',
    variable: 'PACKETFLIX_MAX_IN_FLIGHT',
    type: wholeNumber(IN_FLIGHT_KIBIBYTES),
    value: 'KiB',
    defaultValue: 256,
    description:
      'maximum length of a message, from 16 to 256; messages are no longer than 192 KiB unless one packet needs more',
  },
  {
    section: 'capture',
    field: 'maxDurationSeconds',
    flag: '--max-duration',
    variable: 'PACKETFLIX_MAX_DURATION',
    type: wholeNumber({ min: 1, max: MAX_DURATION_SECONDS, unit: 'seconds' }),
    value: 'seconds',
    defaultValue: undefined,
    defaultInWords: 'none',
    description: 'maximum duration of a capture',
  },
  {
    section: 'capture',
    field: 'maxBytes',
    flag: '--max-bytes',
    variable: 'PACKETFLIX_MAX_BYTES',
    type: wholeNumber({ min: 1, max: MAX_PACKETS_OR_BYTES, unit: 'bytes' }),
    value: 'bytes',
    defaultValue: undefined,
    defaultInWords: 'none',
    description: 'maximum size of a capture, counted like the request parameter max-bytes',
  },
  {
    section: 'capture',
    field: 'maxPackets',
    flag: '--max-packets',
    variable: 'PACKETFLIX_MAX_PACKETS',
    type: wholeNumber({ min: 1, max: MAX_PACKETS_OR_BYTES, unit: 'packets' }),
    value: 'number',
    defaultValue: undefined,
    defaultInWords: 'none',
    description: 'maximum number of packets of a capture',
  },
  {
    section: 'capture',
    field: 'maxSnapshotLength',
    flag: '--max-snaplen',
    variable: 'PACKETFLIX_MAX_SNAPLEN',
    type: wholeNumber({ min: 1, max: MAX_SNAPSHOT_LENGTH, unit: 'bytes' }),
    value: 'bytes',
    defaultValue: undefined,
    defaultInWords: 'none',
    description: 'maximum snapshot length: the bytes captured of each packet',
  },
  {
    section: 'discovery',
    field: 'maxTargets',
    flag: '--max-targets',
    variable: 'PACKETFLIX_MAX_TARGETS',
    type: wholeNumber({ min: 1, max: MAX_MEMBERS }),
    value: 'number',
    defaultValue: 256,
    description: `maximum number of simultaneous members of a set, at most ${MAX_MEMBERS}`,
  },
  {
    section: 'discovery',
    field: 'ghostwireHost',
    flag: '--discovery-service',
    variable: 'PACKETFLIX_DISCOVERY_SERVICE',
    type: ADDRESS_OR_NAME,
    value: 'host',
    defaultValue: '127.0.0.1',
    description: 'address or host name of the GhostWire discovery service',
  },
  {
    section: 'discovery',
    field: 'ghostwirePort',
    flag: '--gw-port',
    variable: 'PACKETFLIX_GW_PORT',
    type: wholeNumber({ min: 1, max: 65_535 }),
    value: 'number',
    defaultValue: 5000,
    description: 'TCP port of the GhostWire discovery service',
  },
  {
    section: 'discovery',
    field: 'proxy',
    flag: '--proxy-discovery',
    variable: 'PACKETFLIX_PROXY_DISCOVERY',
    type: onOrOff,
    defaultValue: false,
    description: 'act as a reverse proxy for the GhostWire discovery service and its web page',
  },
  {
    section: 'discovery',
    field: 'local',
    flag: '--local-discovery',
    variable: 'PACKETFLIX_LOCAL_DISCOVERY',
    type: onOrOff,
    defaultValue: false,
    description: 'list capture targets without GhostWire, at /discover/mobyshark; excludes --proxy-discovery',
  },
  {
    section: 'discovery',
    field: 'timeoutSeconds',
    flag: '--discovery-timeout',
    variable: 'PACKETFLIX_DISCOVERY_TIMEOUT',
    type: wholeNumber({ min: 1, max: 86_400, unit: 'seconds' }),
    value: 'seconds',
    defaultValue: 60,
    description: 'time within which GhostWire must begin to answer a proxied request',
  },
  {
    section: 'discovery',
    field: 'targetSets',
    flag: '--target-set',
    variable: 'PACKETFLIX_TARGET_SET',
    type: TARGET_SETS,
    value: 'name=JSON',
    defaultValue: [],
    defaultInWords: 'none',
    description:
      'set of targets that is listed by this name, as an array of selectors like that of the request parameter ' +
      'targets; repeatable, or one per line',
  },
  {
    section: 'discovery',
    field: 'nodeName',
    flag: '--node-name',
    variable: 'PACKETFLIX_NODE_NAME',
    type: text(/^[\w.:-]{1,253}$/, 'a host name'),
    value: 'name',
    defaultValue: undefined,
    defaultInWords: 'the host name, in a container that of the container',
    description: 'name of this host in /targets, in selectors and in the descriptions of interfaces',
  },
  {
    section: 'cluster',
    field: 'nodes',
    flag: '--nodes',
    variable: 'PACKETFLIX_NODES',
    type: NODES,
    value: 'address',
    defaultValue: [],
    defaultInWords: 'none',
    description:
      'node of a cluster that this service is the gateway of: HOST[:PORT], https://HOST[:PORT], or dns:NAME[:PORT] for all ' +
      'addresses that the name has; repeatable, or separated by commas',
  },
  {
    section: 'cluster',
    field: 'nodeCaFile',
    flag: '--node-ca-file',
    variable: 'PACKETFLIX_NODE_CA_FILE',
    type: FILE,
    value: 'file',
    defaultValue: undefined,
    defaultInWords: 'those of Node.js',
    description:
      'certificates (PEM) of the authorities that are trusted for nodes by https://; read once, at the start',
  },
  {
    section: 'cluster',
    field: 'mergeWindowMs',
    flag: '--merge-window',
    variable: 'PACKETFLIX_MERGE_WINDOW',
    type: wholeNumber({ min: 0, max: 10_000, unit: 'milliseconds' }),
    value: 'ms',
    defaultValue: 200,
    description: 'time for which a packet of a set waits for earlier ones of other nodes',
  },
  {
    section: 'service',
    field: 'noConsole',
    flag: '--no-console',
    variable: 'PACKETFLIX_NO_CONSOLE',
    type: onOrOff,
    defaultValue: false,
    description: 'do not serve the web page at /console/',
  },
  {
    section: 'service',
    field: 'ticketKeyFile',
    flag: '--ticket-key-file',
    variable: 'PACKETFLIX_TICKET_KEY_FILE',
    type: FILE,
    value: 'file',
    defaultValue: undefined,
    defaultInWords: 'a key of its own, new with each start',
    description:
      'file with at least 32 random bytes that sign tickets, for several services that accept the tickets of each other; read ' +
      'once, at the start',
  },
  {
    section: 'service',
    field: 'tokenFile',
    flag: '--token-file',
    variable: 'PACKETFLIX_TOKEN_FILE',
    type: FILE,
    value: 'file',
    defaultValue: undefined,
    defaultInWords: 'none: requests need no token',
    description:
      'file with a token of at least 16 characters that requests must have, as "Authorization: Bearer TOKEN"; the user of the ' +
      'service must be able to read it, and it is read again when it changes',
  },
  {
    section: 'service',
    field: 'authorize',
    flag: '--authorize',
    variable: 'PACKETFLIX_AUTHORIZE',
    type: oneOf('kubernetes'),
    value: 'authority',
    defaultValue: undefined,
    defaultInWords: 'none: everybody who may use the service may capture everything',
    description:
      'who decides what each user may capture: "kubernetes" asks the Kubernetes API whose bearer token a request has, and ' +
      'whether that user may create pods/capture in the namespace of the pod, or nodes/capture',
  },
  {
    section: 'service',
    field: 'userHeader',
    flag: '--user-header',
    variable: 'PACKETFLIX_USER_HEADER',
    type: HEADER,
    value: 'name',
    defaultValue: undefined,
    defaultInWords: 'none',
    description:
      'header in which the proxies of --trusted-proxy name the user, for the log and for who may end a capture',
  },
  {
    section: 'service',
    field: 'trustedProxies',
    flag: '--trusted-proxy',
    variable: 'PACKETFLIX_TRUSTED_PROXY',
    type: NETWORKS,
    value: 'address[/bits]',
    defaultValue: [],
    defaultInWords: 'none',
    description:
      'address of a proxy whose --user-header is believed, or a network of such proxies; repeatable, or separated by commas',
  },
  {
    section: 'service',
    field: 'operatorPort',
    flag: '--operator-port',
    variable: 'PACKETFLIX_OPERATOR_PORT',
    type: OPERATOR_PORT,
    value: 'port',
    defaultValue: 'same',
    description:
      'where to serve /healthz, /readyz and /metrics: "same" (with everything else), a separate TCP port, or "off"',
  },
  {
    section: 'service',
    field: 'operatorHost',
    flag: '--operator-host',
    variable: 'PACKETFLIX_OPERATOR_HOST',
    type: ADDRESS_OR_NAME,
    value: 'address',
    defaultValue: undefined,
    defaultInWords: 'that of --host',
    description: 'address or host name to listen on for --operator-port',
  },
  {
    section: 'capture',
    field: 'packetMethod',
    flag: '--packet-method',
    variable: 'PACKETFLIX_PACKET_METHOD',
    type: oneOf(...PACKET_METHODS),
    value: 'method',
    defaultValue: 'ring',
    description:
      'how to read packets from the kernel: "ring" (directly, if the interface type allows it) or "libpcap" (slower)',
  },
  {
    section: 'service',
    field: 'logFormat',
    flag: '--log-format',
    variable: 'PACKETFLIX_LOG_FORMAT',
    type: oneOf('auto', ...LOG_FORMATS),
    value: 'format',
    defaultValue: 'auto',
    description: 'format of the log: "text", "json", or "auto" (text on a terminal, otherwise json)',
  },
  {
    section: 'service',
    field: 'user',
    flag: '--user',
    variable: 'PACKETFLIX_USER',
    type: USER,
    value: 'name or uid[:gid]',
    defaultValue: undefined,
    defaultInWords: '`packetflix` if that user exists, otherwise `65533:65533`',
    description: 'user to run as when started by root',
  },
  {
    section: 'service',
    field: 'debug',
    flag: '--debug',
    variable: 'PACKETFLIX_DEBUG',
    type: onOrOff,
    defaultValue: false,
    description: 'log debug messages',
  },
  {
    section: 'service',
    field: 'logRequests',
    flag: '--log-requests',
    variable: 'PACKETFLIX_LOG_REQUESTS',
    type: onOrOff,
    defaultValue: false,
    description: 'log one line per HTTP and websocket request',
  },
  {
    section: 'service',
    field: 'logHeaders',
    flag: '--log-headers',
    variable: 'PACKETFLIX_LOG_HEADERS',
    type: onOrOff,
    defaultValue: false,
    description: 'log the headers of requests too; values that may be credentials are redacted',
  },
] as const satisfies readonly OptionDescription[];

export const OPTION_TABLE: readonly OptionDescription[] = ENTRIES;

type OptionEntry = (typeof ENTRIES)[number];
export type OptionField = OptionEntry['field'];
type OptionOf<Section extends OptionDescription['section']> = Extract<OptionEntry, { section: Section }>;
type ValueOf<Entry extends OptionEntry> = Entry['type'] extends OptionType<infer Value> ? Value : never;

/** The values of a section, by field; those without a default are undefined unless they are given. */
export type OptionValues<Section extends OptionDescription['section']> = {
  readonly [
    Entry in OptionOf<Section> as undefined extends Entry['defaultValue'] ? never : Entry['field']
  ]: ValueOf<Entry>;
} & {
  readonly [Entry in OptionOf<Section> as undefined extends Entry['defaultValue'] ? Entry['field'] : never]?:
    ValueOf<Entry> | undefined;
};

/** A rule about two options of one section. */
export interface OptionRule {
  /** The option that violates the rule, and the other one. */
  readonly fields: readonly [OptionField, OptionField];
  /** Whether both values together are valid; each alone may still be invalid. */
  readonly isMet: (values: Readonly<Record<string, unknown>>) => boolean;
  /** @param names how to call the two options: by flag or variable */
  readonly problem: (names: readonly [string, string], values: Readonly<Record<string, unknown>>) => string;
}

export const OPTION_RULES: readonly OptionRule[] = [
  {
    fields: ['ringMemoryMebibytes', 'maxCaptures'],
    isMet: ({ ringMemoryMebibytes, maxCaptures }) =>
      !(Number(ringMemoryMebibytes) < MIN_CAPTURE_MEBIBYTES * Number(maxCaptures)),
    problem: ([ringMemory, maxCaptures], values) =>
      `${ringMemory} must be at least ${MIN_CAPTURE_MEBIBYTES * Number(values['maxCaptures'])} MiB, not ` +
      `${String(values['ringMemoryMebibytes'])} MiB: ${MIN_CAPTURE_MEBIBYTES} MiB for each of the ` +
      `${String(values['maxCaptures'])} captures that ${maxCaptures} allows`,
  },
  {
    fields: ['local', 'proxy'],
    isMet: ({ local, proxy }) => !(local === true && proxy === true),
    problem: ([local, proxy]) => `${local} and ${proxy} exclude each other: both serve /discover/mobyshark`,
  },
  {
    fields: ['authorize', 'proxy'],
    isMet: ({ authorize, proxy }) => authorize === undefined || proxy !== true,
    problem: ([authorize, proxy]) =>
      `${authorize} and ${proxy} exclude each other: GhostWire would show all targets to everybody`,
  },
  {
    fields: ['nodes', 'proxy'],
    isMet: ({ nodes, proxy }) => isEmpty(nodes ?? []) || proxy !== true,
    problem: ([nodes, proxy]) => `${nodes} and ${proxy} exclude each other: both serve /discover/mobyshark`,
  },
  {
    fields: ['userHeader', 'trustedProxies'],
    isMet: ({ userHeader, trustedProxies }) => userHeader === undefined || !isEmpty(trustedProxies),
    problem: ([userHeader, trustedProxies]) =>
      `${userHeader} needs ${trustedProxies}: any client can send the header, so it is believed from those proxies only`,
  },
  {
    fields: ['trustedProxies', 'userHeader'],
    isMet: ({ userHeader, trustedProxies }) => userHeader !== undefined || isEmpty(trustedProxies ?? []),
    problem: ([trustedProxies, userHeader]) =>
      `${trustedProxies} needs ${userHeader}: the header in which these proxies name the user`,
  },
];

/** False for what is no list, which has been reported already. */
function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

function isPort(value: unknown): boolean {
  return typeof value === 'string' && /^\d{1,5}$/.test(value) && Number(value) <= 65_535;
}
