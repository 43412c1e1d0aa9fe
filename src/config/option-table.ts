/** One thing that a user can set: everything that parsing, `--help` and the README say about it. */
export interface OptionDescription {
  /** The configuration that it belongs to, and the field there. */
  readonly section: 'service' | 'capture' | 'discovery';
  readonly field: string;
  readonly flag: string;
  readonly short?: string;
  readonly variable: string;
  /** A list is a text with commas; its flag may come more than once, too. */
  readonly kind: 'text' | 'number' | 'switch' | 'list';
  /** What `--help` calls the value; switches take none. */
  readonly value?: string;
  readonly defaultValue: string | number | boolean | undefined;
  /** The default in words, where the value alone would not tell. */
  readonly defaultInWords?: string;
  readonly description: string;
}

/** The one place that knows the options. A flag wins over the variable, the variable over the default. */
export const OPTION_TABLE: readonly OptionDescription[] = [
  {
    section: 'service',
    field: 'port',
    flag: '--port',
    short: '-p',
    variable: 'PACKETFLIX_PORT',
    kind: 'number',
    value: 'number',
    defaultValue: 5001,
    description: 'TCP port to serve on; 0 takes any free one',
  },
  {
    section: 'service',
    field: 'host',
    flag: '--host',
    variable: 'PACKETFLIX_HOST',
    kind: 'text',
    value: 'address',
    defaultValue: undefined,
    defaultInWords: 'all addresses',
    description: 'address or host name to serve on',
  },
  {
    section: 'service',
    field: 'allowedOrigins',
    flag: '--allowed-origin',
    variable: 'PACKETFLIX_ALLOWED_ORIGIN',
    kind: 'list',
    value: 'origin',
    defaultValue: undefined,
    defaultInWords: 'none',
    description:
      'web pages from elsewhere that may capture, such as https://host.example:8443; repeatable, or with commas',
  },
  {
    section: 'service',
    field: 'excludedEndpoints',
    flag: '--exclude',
    variable: 'PACKETFLIX_EXCLUDE',
    kind: 'list',
    value: 'endpoint',
    defaultValue: undefined,
    defaultInWords: 'none',
    description:
      'TCP endpoint that no capture shows, such as the TLS proxy in front: 8443, 192.0.2.1, 192.0.2.1:443 or ' +
      '[2001:db8::1]:443; repeatable, or with commas',
  },
  {
    section: 'capture',
    field: 'maxDurationSeconds',
    flag: '--max-duration',
    variable: 'PACKETFLIX_MAX_DURATION',
    kind: 'number',
    value: 'seconds',
    defaultValue: undefined,
    defaultInWords: 'none',
    description: 'how long a capture lasts at most',
  },
  {
    section: 'capture',
    field: 'maxBytes',
    flag: '--max-bytes',
    variable: 'PACKETFLIX_MAX_BYTES',
    kind: 'number',
    value: 'bytes',
    defaultValue: undefined,
    defaultInWords: 'none',
    description: 'most bytes of a capture, as max-bytes of a request counts them',
  },
  {
    section: 'capture',
    field: 'maxPackets',
    flag: '--max-packets',
    variable: 'PACKETFLIX_MAX_PACKETS',
    kind: 'number',
    value: 'number',
    defaultValue: undefined,
    defaultInWords: 'none',
    description: 'most packets of a capture',
  },
  {
    section: 'capture',
    field: 'maxSnapshotLength',
    flag: '--max-snaplen',
    variable: 'PACKETFLIX_MAX_SNAPLEN',
    kind: 'number',
    value: 'bytes',
    defaultValue: undefined,
    defaultInWords: 'none',
    description: 'most bytes kept of each packet',
  },
  {
    section: 'discovery',
    field: 'service',
    flag: '--discovery-service',
    variable: 'PACKETFLIX_DISCOVERY_SERVICE',
    kind: 'text',
    value: 'host',
    defaultValue: '127.0.0.1',
    description: 'address or host name of the GhostWire discovery service',
  },
  {
    section: 'discovery',
    field: 'gwPort',
    flag: '--gw-port',
    variable: 'PACKETFLIX_GW_PORT',
    kind: 'number',
    value: 'number',
    defaultValue: 5000,
    description: 'TCP port of the GhostWire discovery service',
  },
  {
    section: 'discovery',
    field: 'proxy',
    flag: '--proxy-discovery',
    variable: 'PACKETFLIX_PROXY_DISCOVERY',
    kind: 'switch',
    defaultValue: false,
    description: 'reverse proxy the GhostWire discovery service, its web page included',
  },
  {
    section: 'discovery',
    field: 'local',
    flag: '--local-discovery',
    variable: 'PACKETFLIX_LOCAL_DISCOVERY',
    kind: 'switch',
    defaultValue: false,
    description: 'list capture targets without GhostWire, at /discover/mobyshark; excludes --proxy-discovery',
  },
  {
    section: 'discovery',
    field: 'timeoutSeconds',
    flag: '--discovery-timeout',
    variable: 'PACKETFLIX_DISCOVERY_TIMEOUT',
    kind: 'number',
    value: 'seconds',
    defaultValue: 60,
    description: 'how long a proxied request waits for GhostWire to begin its answer',
  },
  {
    section: 'service',
    field: 'operatorPort',
    flag: '--operator-port',
    variable: 'PACKETFLIX_OPERATOR_PORT',
    kind: 'text',
    value: 'port',
    defaultValue: 'same',
    description: 'where /healthz and /readyz are served: same as the rest, a TCP port of their own, or off',
  },
  {
    section: 'service',
    field: 'operatorHost',
    flag: '--operator-host',
    variable: 'PACKETFLIX_OPERATOR_HOST',
    kind: 'text',
    value: 'address',
    defaultValue: undefined,
    defaultInWords: 'that of --host',
    description: 'address or host name for the port of --operator-port',
  },
  {
    section: 'service',
    field: 'logFormat',
    flag: '--log-format',
    variable: 'PACKETFLIX_LOG_FORMAT',
    kind: 'text',
    value: 'format',
    defaultValue: 'auto',
    description: 'text or json; auto: text where standard error is a terminal, else json',
  },
  {
    section: 'service',
    field: 'debug',
    flag: '--debug',
    variable: 'PACKETFLIX_DEBUG',
    kind: 'switch',
    defaultValue: false,
    description: 'log debug messages',
  },
  {
    section: 'service',
    field: 'logRequests',
    flag: '--log-requests',
    variable: 'PACKETFLIX_LOG_REQUESTS',
    kind: 'switch',
    defaultValue: false,
    description: 'log one line per HTTP and websocket request',
  },
  {
    section: 'service',
    field: 'logHeaders',
    flag: '--log-headers',
    variable: 'PACKETFLIX_LOG_HEADERS',
    kind: 'switch',
    defaultValue: false,
    description: 'log the headers of requests too, credentials left out',
  },
];
