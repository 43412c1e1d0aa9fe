import type { NamedTargetSet } from './target-set-option.js';
import { OPTION_TABLE } from './option-table.js';
import { parseCommandLine } from './parse-command-line.js';

type Env = Record<string, string>;

const DEFAULTS = {
  service: {
    port: 5001,
    host: undefined,
    allowedHosts: [] as string[],
    allowedOrigins: [] as string[],
    excludedEndpoints: [] as string[],
    noConsole: false,
    trustedProxies: [] as readonly string[],
    logFormat: 'auto',
    debug: false,
    logRequests: false,
    operatorPort: 'same',
    operatorHost: undefined,
    user: undefined,
    logHeaders: false,
  },
  capture: {
    maxCaptures: 256,
    maxCapturesPerClient: undefined,
    ringMemoryMebibytes: 4096,
    maxInFlightKibibytes: 256,
    maxDurationSeconds: undefined,
    maxBytes: undefined,
    maxPackets: undefined,
    maxSnapshotLength: undefined,
    packetMethod: 'ring',
  },
  cluster: { nodes: [] as string[], nodeCaFile: undefined, mergeWindowMs: 200 },
  discovery: {
    ghostwireHost: '127.0.0.1',
    ghostwirePort: 5000,
    proxy: false,
    local: false,
    timeoutSeconds: 60,
    maxTargets: 256,
    targetSets: [] as readonly NamedTargetSet[],
    configured: false,
  },
  environment: { engineSockets: [] as string[], supervised: false },
};

interface Changes {
  capture?: { [Field in keyof (typeof DEFAULTS)['capture']]?: number | string };
  service?: Partial<Omit<(typeof DEFAULTS)['service'], 'host' | 'user'>> & { host?: string; user?: string };
  discovery?: Partial<(typeof DEFAULTS)['discovery']>;
  cluster?: { nodes?: string[]; nodeCaFile?: string; mergeWindowMs?: number };
  environment?: {
    engineSockets?: string[];
    discovererSocket?: string;
    supervised?: boolean;
    become?: { uid: number; gid: number };
  };
}

describe('The command line and the environment', () => {
  it.each<[string, string[], Env, Changes]>([
    [
      'sets of targets, one per flag or line',
      ['--target-set', 'web=[{"name":"a,b"}]', '--target-set=db=[{}]'],
      { PACKETFLIX_MAX_TARGETS: '7' },
      {
        discovery: {
          maxTargets: 7,
          targetSets: [
            { name: 'web', selectors: [{ name: 'a,b' }] },
            { name: 'db', selectors: [{}] },
          ],
        },
      },
    ],
    ['nothing gives the defaults', [], {}, {}],
    [
      'the nodes of a cluster',
      ['--nodes', 'worker1,https://worker2:6001', '--nodes=dns:nodes.test:5001'],
      { PACKETFLIX_MERGE_WINDOW: '50' },
      { cluster: { nodes: ['worker1', 'https://worker2:6001', 'dns:nodes.test:5001'], mergeWindowMs: 50 } },
    ],
    ['a flag with its value', ['--port', '5002'], {}, { service: { port: 5002 } }],
    ['a flag joined to its value', ['--port=5002'], {}, { service: { port: 5002 } }],
    ['a short flag', ['-p', '5002'], {}, { service: { port: 5002 } }],
    ['a variable', [], { PACKETFLIX_PORT: '5003' }, { service: { port: 5003 } }],
    [
      'a flag wins over the variable',
      ['-p', '5002'],
      { PACKETFLIX_PORT: '5003' },
      { service: { port: 5002 } },
    ],
    [
      'a flag wins over a wrong variable',
      ['-p', '5002'],
      { PACKETFLIX_PORT: 'x' },
      { service: { port: 5002 } },
    ],
    ['an empty variable counts as not set', [], { PACKETFLIX_PORT: '', PACKETFLIX_DEBUG: '' }, {}],
    ['an address to listen on', ['--host', '::1'], {}, { service: { host: '::1' } }],
    [
      'origins in several flags and with commas',
      ['--allowed-origin', 'https://a.example', '--allowed-origin=http://[::1]:80, vscode-webview://b'],
      { PACKETFLIX_ALLOWED_ORIGIN: 'http://c.example' },
      { service: { allowedOrigins: ['https://a.example', 'http://[::1]:80', 'vscode-webview://b'] } },
    ],
    [
      'origins in a variable',
      [],
      { PACKETFLIX_ALLOWED_ORIGIN: 'http://c.example,http://d.example' },
      { service: { allowedOrigins: ['http://c.example', 'http://d.example'] } },
    ],
    [
      'names of the service for browsers',
      ['--allowed-host', 'capture.example', '--allowed-host=[::1], b'],
      {},
      { service: { allowedHosts: ['capture.example', '[::1]', 'b'] } },
    ],
    [
      'endpoints that all captures leave out',
      ['--exclude', '8443', '--exclude=192.0.2.1:443, [2001:db8::1]:443'],
      {},
      { service: { excludedEndpoints: ['8443', '192.0.2.1:443', '[2001:db8::1]:443'] } },
    ],
    [
      'excluded endpoints in a variable',
      [],
      { PACKETFLIX_EXCLUDE: '8443,::1' },
      { service: { excludedEndpoints: ['8443', '::1'] } },
    ],
    ['the user to run as', ['--user', '1000:27'], {}, { service: { user: '1000:27' } }],
    ['a switch', ['--debug'], {}, { service: { debug: true } }],
    ['a switch by variable', [], { PACKETFLIX_LOG_REQUESTS: 'true' }, { service: { logRequests: true } }],
    ['a switch in capitals', [], { PACKETFLIX_LOG_HEADERS: 'YES' }, { service: { logHeaders: true } }],
    ['"false" is not true', [], { PACKETFLIX_DEBUG: 'false' }, {}],
    ['"0" is not true', [], { PACKETFLIX_PROXY_DISCOVERY: '0' }, {}],
    ['a switch off wins over the variable', ['--debug=false'], { PACKETFLIX_DEBUG: '1' }, {}],
    [
      'the location of the discovery service',
      ['--discovery-service', 'ghostwire', '--gw-port', '80', '--proxy-discovery'],
      {},
      { discovery: { ghostwireHost: 'ghostwire', ghostwirePort: 80, proxy: true, configured: true } },
    ],
    [
      'the timeout of the discovery service, which does not mean that there is one',
      ['--discovery-timeout', '5'],
      {},
      { discovery: { timeoutSeconds: 5 } },
    ],
    [
      'the numbers of concurrent captures',
      ['--max-captures', '4096', '--ring-memory', '8192'],
      { PACKETFLIX_MAX_CAPTURES_PER_CLIENT: '1' },
      { capture: { maxCaptures: 4096, maxCapturesPerClient: 1, ringMemoryMebibytes: 8192 } },
    ],
    [
      'the limits of each capture',
      ['--max-duration', '60', '--max-bytes=5000000000', '--max-packets', '7'],
      { PACKETFLIX_MAX_SNAPLEN: '96' },
      {
        capture: { maxDurationSeconds: 60, maxBytes: 5_000_000_000, maxPackets: 7, maxSnapshotLength: 96 },
      },
    ],
    ['the list of targets without GhostWire', ['--local-discovery'], {}, { discovery: { local: true } }],
    [
      'the default, given explicitly',
      [],
      { PACKETFLIX_GW_PORT: '5000' },
      { discovery: { configured: true } },
    ],
    ['GhostWire as a proxy', ['--proxy-discovery'], {}, { discovery: { proxy: true, configured: true } }],
    [
      'GhostWire not as a proxy',
      [],
      { PACKETFLIX_PROXY_DISCOVERY: 'false' },
      { discovery: { proxy: false, configured: false } },
    ],
    [
      'the environment that the supervisor sets',
      [],
      { PACKETFLIX_ENGINE_SOCKETS: '/run/a:/run/b', PACKETFLIX_SUPERVISED: '1' },
      { environment: { engineSockets: ['/run/a', '/run/b'], supervised: true } },
    ],
    [
      'the user that the server becomes',
      [],
      { PACKETFLIX_BECOME: '1000:27' },
      { environment: { become: { uid: 1000, gid: 27 } } },
    ],
    [
      'the socket of the discoverer',
      [],
      { PACKETFLIX_DISCOVERER_SOCKET: '/run/d' },
      { environment: { discovererSocket: '/run/d' } },
    ],
  ])('%s', (_, argv, env, changes) => {
    const parsed = parseCommandLine(argv, env);
    if (parsed.kind !== 'options') throw new Error(JSON.stringify(parsed));
    const { service, capture, discovery, cluster, environment } = parsed.options;
    expect({
      service: { ...service },
      capture: { ...capture },
      discovery: { ...discovery },
      cluster: { ...cluster },
      environment: { ...environment },
    }).toEqual({
      service: { ...DEFAULTS.service, ...changes.service },
      capture: { ...DEFAULTS.capture, ...changes.capture },
      discovery: { ...DEFAULTS.discovery, ...changes.discovery },
      cluster: { ...DEFAULTS.cluster, ...changes.cluster },
      environment: { ...DEFAULTS.environment, ...changes.environment },
    });
  });

  it.each<[string[], Env, string]>([
    [['--target-set', 'web=[{"labels":5}]'], {}, '--target-set web[0].labels must be an object of strings'],
    [['--port', 'abc'], {}, '--port must be a whole number from 0 to 65535, not "abc"'],
    [['-p', '65536'], {}, '--port must be a whole number from 0 to 65535, not "65536"'],
    [['-p', '-1'], {}, '--port must be a whole number from 0 to 65535, not "-1"'],
    [['-p', '80.5'], {}, '--port must be a whole number from 0 to 65535, not "80.5"'],
    [['-p', '0x50'], {}, '--port must be a whole number from 0 to 65535, not "0x50"'],
    [['-p', ''], {}, '--port must be a whole number from 0 to 65535, not ""'],
    [[], { PACKETFLIX_PORT: ' 80' }, 'PACKETFLIX_PORT must be a whole number from 0 to 65535, not " 80"'],
    [['--gw-port', '0'], {}, '--gw-port must be a whole number from 1 to 65535, not "0"'],
    [
      ['--discovery-timeout', '0'],
      {},
      '--discovery-timeout must be a whole number of seconds from 1 to 86400, not "0"',
    ],
    ...['null', '*', '', 'https://a.example/', 'https://a.example,', 'a.example', 'http://b.example,*'].map(
      (text): [string[], Env, string] => [
        ['--allowed-origin', text],
        {},
        '--allowed-origin must be origins of web pages, such as https://host.example:8443, ' +
          `without a path and never "null", not ${JSON.stringify(text)}`,
      ],
    ),
    ...['host.example', '443,', Array.from({ length: 33 }, () => '443').join()].map(
      (text): [string[], Env, string] => [
        ['--exclude', text],
        {},
        '--exclude must be at most 32 numeric TCP endpoints, such as 8443, 192.0.2.1:443 or ' +
          `[2001:db8::1]:443, not ${JSON.stringify(text)}`,
      ],
    ),
    [['--max-captures', '0'], {}, '--max-captures must be a whole number from 1 to 4096, not "0"'],
    [
      [],
      { PACKETFLIX_MAX_CAPTURES_PER_CLIENT: '-1' },
      'PACKETFLIX_MAX_CAPTURES_PER_CLIENT must be a whole number from 1 to 4096, not "-1"',
    ],
    [['--max-in-flight', '15'], {}, '--max-in-flight must be a whole number of KiB from 16 to 256, not "15"'],
    [
      ['--ring-memory', '511'],
      {},
      '--ring-memory must be at least 512 MiB, not 511 MiB: 2 MiB for each of the 256 captures that --max-captures allows',
    ],
    [
      ['--max-captures', '2049'],
      {},
      '--ring-memory must be at least 4098 MiB, not 4096 MiB: 2 MiB for each of the 2049 captures that --max-captures allows',
    ],
    [
      ['--ring-memory', '1 GiB'],
      {},
      '--ring-memory must be a whole number of MiB from 1 to 1048576, not "1 GiB"',
    ],
    [
      ['--max-duration', '0'],
      {},
      '--max-duration must be a whole number of seconds from 1 to 2000000, not "0"',
    ],
    [
      ['--max-bytes', '1e6'],
      {},
      '--max-bytes must be a whole number of bytes from 1 to 999999999999999, not "1e6"',
    ],
    [
      [],
      { PACKETFLIX_MAX_PACKETS: '1000000000000000' },
      'PACKETFLIX_MAX_PACKETS must be a whole number of packets from 1 to 999999999999999, not "1000000000000000"',
    ],
    [
      ['--max-snaplen', '262145'],
      {},
      '--max-snaplen must be a whole number of bytes from 1 to 262144, not "262145"',
    ],
    ...['a:80', 'http://a', 'a/', 'a b', ''].map((name): [string[], Env, string] => [
      ['--allowed-host', name],
      {},
      `--allowed-host must be host names, such as capture.example, without a port, not "${name}"`,
    ]),
    [['--host', 'a b'], {}, '--host must be an address or a host name, not "a b"'],
    [
      ['--local-discovery'],
      { PACKETFLIX_PROXY_DISCOVERY: 'true' },
      '--local-discovery and PACKETFLIX_PROXY_DISCOVERY exclude each other: both serve /discover/mobyshark',
    ],
    [
      ['--authorize', 'kubernetes'],
      {},
      '--authorize works in a pod of Kubernetes only: KUBERNETES_SERVICE_HOST is not set',
    ],
    [
      ['--authorize', 'kubernetes', '--proxy-discovery'],
      { KUBERNETES_SERVICE_HOST: '10.0.0.1' },
      '--authorize and --proxy-discovery exclude each other: GhostWire would show all targets to everybody',
    ],
    [
      ['--user-header', 'X-Forwarded-User'],
      {},
      '--user-header needs --trusted-proxy: any client can send the header, so it is believed from those proxies only',
    ],
    [
      [],
      { PACKETFLIX_TRUSTED_PROXY: '127.0.0.1' },
      'PACKETFLIX_TRUSTED_PROXY needs --user-header: the header in which these proxies name the user',
    ],
    [
      ['--user-header', 'X User', '--trusted-proxy', 'proxy.example'],
      {},
      '--user-header must be the name of a header, such as X-Forwarded-User, not "X User"\n' +
        '--trusted-proxy must be addresses, such as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32, not "proxy.example"',
    ],
    [['--discovery-service', ''], {}, '--discovery-service must be an address or a host name, not ""'],
    [[], { PACKETFLIX_DEBUG: 'maybe' }, 'PACKETFLIX_DEBUG must be true or false, not "maybe"'],
    [[], { PACKETFLIX_DEBUG: 'constructor' }, 'PACKETFLIX_DEBUG must be true or false, not "constructor"'],
    [['--debug=maybe'], {}, '--debug must be true or false, not "maybe"'],
    [['--debug', 'true'], {}, "unexpected argument 'true'"],
    [['-x'], {}, "unknown option '-x'"],
    [['--colour'], {}, "unknown option '--colour'"],
    [['--port'], {}, "option '-p, --port <number>' requires a value"],
    [['5002'], {}, "unexpected argument '5002'"],
    [
      ['--port', 'x'],
      { PACKETFLIX_GW_PORT: 'y' },
      '--port must be a whole number from 0 to 65535, not "x"\n' +
        'PACKETFLIX_GW_PORT must be a whole number from 1 to 65535, not "y"',
    ],
  ])('refuses %j with %j and names the option', (argv, env, message) => {
    const parsed = parseCommandLine(argv, env);
    if (parsed.kind !== 'error') throw new Error(JSON.stringify(parsed));
    expect(parsed.message.slice(0, message.length)).toBe(message);
  });

  it.each([['--help'], ['-h']])('describes every option on %s', (flag) => {
    const parsed = parseCommandLine([flag], {});
    if (parsed.kind !== 'help') throw new Error(JSON.stringify(parsed));
    for (const option of OPTION_TABLE) {
      expect(parsed.text).toContain(option.flag);
      expect(parsed.text).toContain(option.variable);
    }
  });

  it('prints the version, and nothing else', () => {
    expect(parseCommandLine(['--version'], {})).toEqual({
      kind: 'version',
      text: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
    });
  });
});
