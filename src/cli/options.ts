import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { describeSelectors, type TargetSelector } from '../shared/protocol/target-selector.js';
import type { ClusterService } from './kubectl.js';
import { describeFlags, flagSyntax, parseFlags, type Flag } from '../shared/config/command-line-flags.js';

/** What to do: capture to a file or a pipe, capture into Wireshark, or list the targets. */
export type Command = 'capture' | 'wireshark' | 'list';

/** What to capture, and where to write it. */
export interface ClientOptions {
  readonly command: Command;
  /** The service's URL with the parameters of the capture in its query. */
  readonly url: URL;
  /** Where to find the service in a cluster; the URL then has the parameters alone. */
  readonly cluster?: ClusterService | undefined;
  /** Absolute path of the file with the token to send. */
  readonly tokenFile?: string | undefined;
  /** Absolute path of the file to write, '-' for standard output; absent: packets are only counted. */
  readonly write?: string | undefined;
  /** For people: what is captured from. */
  readonly title: string;
  /** Of `list`: whether to go on and print changes. */
  readonly watch: boolean;
  /** Of `list`: whether to print JSON. */
  readonly json: boolean;
}

/** What to do after reading the command line; on `error`, print the message and exit with status 2. */
export type ClientCommandLine =
  | { readonly kind: 'options'; readonly options: ClientOptions }
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'error'; readonly message: string };

interface ClientFlag extends Flag {
  /** The query parameter of the request that the flag sets; absent: the flag is not part of the request. */
  readonly parameter?: string;
  /** Checks the text and returns the value of the parameter. Throws an Error that completes "--netns: ...". */
  readonly parse?: (text: string, directory: string) => string;
}

const DEFAULT_PORT = '5001';
const DEFAULT_URL = `ws://127.0.0.1:${DEFAULT_PORT}/capture`;
const URL_FLAG: ClientFlag = {
  flag: '--url',
  value: 'url',
  description: `URL of the service (default: ${DEFAULT_URL})`,
  parse: parseUrl,
};
const KUBERNETES: ClientFlag = {
  flag: '--kubernetes',
  description:
    'find the service in a Kubernetes cluster by kubectl port-forward (KUBECTL: path of the program), instead of --url',
  parse: parseSwitch,
};
const CONTEXT: ClientFlag = {
  flag: '--context',
  value: 'name',
  description: 'with --kubernetes: context of the kubeconfig',
};
const DEFAULT_SERVICE = 'packetflix/packetflix';
const SERVICE: ClientFlag = {
  flag: '--service',
  value: 'namespace/name',
  description: `with --kubernetes: the Service to connect to, also NAMESPACE/NAME:PORT (default: ${DEFAULT_SERVICE})`,
};
const TOKEN_FILE: ClientFlag = {
  flag: '--token-file',
  value: 'file',
  description:
    'file with the token to send, or PACKETFLIX_TOKEN in the environment; with --kubernetes, a service that asks for a token gets that of the kubeconfig',
  parse: (text, directory) => resolve(directory, text),
};
const NETNS: ClientFlag = {
  flag: '--netns',
  value: 'namespace',
  description: 'inode number, or a path such as /run/netns/blue or /proc/1234/ns/net, or pid:1234',
  parameter: 'netns',
  parse: (text, directory) => String(findNetnsInode(text, directory)),
};
const CONTAINER: ClientFlag = {
  flag: '--container',
  value: 'json',
  description: 'a container object as in the API, instead of --netns',
  parameter: 'container',
};
const TARGET: ClientFlag = {
  flag: '--target',
  value: 'name',
  description: 'all targets of that name, or that fit a pattern with * and ?, in one stream; repeatable',
};
const LABEL: ClientFlag = {
  flag: '--label',
  value: 'key=value',
  description:
    'all targets with that label, or those of --target that have it; repeatable: with all of these labels',
};
const NAMESPACE: ClientFlag = {
  flag: '--namespace',
  short: '-n',
  value: 'name',
  description: 'all pods of that Kubernetes namespace, or those of --target and --label in it',
};
const TYPE: ClientFlag = {
  flag: '--type',
  value: 'type',
  description: 'only targets of that type, such as docker, pod or proc',
};
const FOLLOW: ClientFlag = {
  flag: '--follow',
  description:
    'with --container: when the target ends, go on with the next one of its name; sets do so anyway',
  parameter: 'follow',
  parse: parseSwitch,
};
const WATCH: ClientFlag = {
  flag: '--watch',
  description: 'with "list": keep running and print changes: + added, - removed, ~ changed',
  parse: parseSwitch,
};
const JSON_FLAG: ClientFlag = {
  flag: '--json',
  description: 'with "list": print JSON, with labels; with --watch, one object per line',
  parse: parseSwitch,
};
const WRITE: ClientFlag = {
  flag: '--write',
  short: '-w',
  value: 'file',
  description: 'write pcapng to this file, "-" for standard output; without it, packets are only counted',
  parse: (text, directory) => (text === '-' ? text : resolve(directory, text)),
};
const HELP: ClientFlag = { flag: '--help', short: '-h', description: 'show this help and exit' };

const FLAGS: readonly ClientFlag[] = [
  URL_FLAG,
  KUBERNETES,
  CONTEXT,
  SERVICE,
  TOKEN_FILE,
  NETNS,
  CONTAINER,
  TARGET,
  LABEL,
  NAMESPACE,
  TYPE,
  FOLLOW,
  {
    flag: '--nif',
    value: 'names',
    description: 'interface names separated by "/" (default: all interfaces)',
    parameter: 'nif',
  },
  {
    flag: '--filter',
    value: 'filter',
    description: 'capture filter, see pcap-filter(7)',
    parameter: 'filter',
  },
  { flag: '--chaste', description: 'no promiscuous mode', parameter: 'chaste', parse: parseSwitch },
  {
    flag: '--direction',
    description: 'have each packet tell whether it came in or went out',
    parameter: 'direction',
    parse: parseSwitch,
  },
  WRITE,
  limit('duration', 'seconds', 'end the capture after this time'),
  limit('max-bytes', 'bytes', 'end the capture before the stream exceeds this size'),
  limit('max-packets', 'number', 'end the capture after this number of packets'),
  limit('snaplen', 'bytes', 'capture at most this many bytes of each packet'),
  WATCH,
  JSON_FLAG,
  HELP,
];

/**
 * Reads the command line.
 *
 * @param directory of the user, from which relative paths are resolved: npm changes to the directory of the project
 */
export function parseOptions(argv: readonly string[], directory: string): ClientCommandLine {
  const [first = ''] = argv;
  const command: Command = first === 'list' || first === 'wireshark' ? first : 'capture';
  const parsed = parseFlags(command === 'capture' ? argv : argv.slice(1), FLAGS);
  if (parsed.kind === 'error') return parsed;
  if (parsed.texts.has(HELP.flag)) return { kind: 'help', text: helpText() };
  const values = new Map<ClientFlag, string>();
  for (const flag of FLAGS) {
    const text = parsed.texts.get(flag.flag)?.at(-1);
    if (text === undefined) continue;
    try {
      values.set(flag, flag.parse?.(text, directory) ?? text);
    } catch (error) {
      return { kind: 'error', message: `${flagSyntax(flag)}: ${(error as Error).message}` };
    }
  }
  const textsOf = ({ flag }: ClientFlag): readonly string[] => parsed.texts.get(flag) ?? [];
  const misplaced = misplacedFlag(command, new Set(values.keys()));
  if (misplaced) return { kind: 'error', message: misplaced };
  const url = new URL(values.get(URL_FLAG) ?? DEFAULT_URL);
  let cluster: ClusterService | undefined;
  let selectors: TargetSelector[];
  try {
    cluster = clusterOf(values, directory);
    selectors = selectorsOf(textsOf(TARGET), textsOf(LABEL), {
      namespace: values.get(NAMESPACE),
      type: values.get(TYPE),
    });
  } catch (error) {
    return { kind: 'error', message: (error as Error).message };
  }
  const options = {
    ...{ command, url, cluster, tokenFile: values.get(TOKEN_FILE) },
    ...{ watch: values.has(WATCH), json: values.has(JSON_FLAG) },
  };
  if (command === 'list') return { kind: 'options', options: { ...options, title: '' } };

  const given = [values.has(NETNS), values.has(CONTAINER), selectors.length > 0].filter(Boolean).length;
  if (given !== 1) {
    return {
      kind: 'error',
      message:
        'exactly one of --netns and --container must be given, or any of --target, --label, --namespace and --type',
    };
  }
  if (selectors.length > 0) url.searchParams.set('targets', JSON.stringify(selectors));
  for (const [{ parameter }, value] of values) {
    if (parameter !== undefined) url.searchParams.set(parameter, value);
  }
  const title =
    selectors.length > 0 ? describeSelectors(selectors) : titleOf(values.get(CONTAINER), values.get(NETNS));
  return { kind: 'options', options: { ...options, title, write: values.get(WRITE) } };
}

/** @returns what is wrong, if a flag does not belong to the command */
function misplacedFlag(command: Command, given: ReadonlySet<ClientFlag>): string | undefined {
  const allowed = new Set([URL_FLAG, KUBERNETES, CONTEXT, SERVICE, TOKEN_FILE, WATCH, JSON_FLAG]);
  for (const flag of given) {
    if (command === 'list' && !allowed.has(flag)) return `${flag.flag} does not belong to "list"`;
    if (command !== 'list' && (flag === WATCH || flag === JSON_FLAG)) return `${flag.flag} belongs to "list"`;
    if (command === 'wireshark' && flag === WRITE) return `${flag.flag} does not belong to "wireshark"`;
  }
  return undefined;
}

/** @throws Error when flags do not go together */
function clusterOf(values: ReadonlyMap<ClientFlag, string>, directory: string): ClusterService | undefined {
  if (!values.has(KUBERNETES)) {
    const needless = [CONTEXT, SERVICE].find((flag) => values.has(flag));
    if (needless) throw new Error(`${needless.flag} belongs to ${KUBERNETES.flag}`);
    return undefined;
  }
  if (values.has(URL_FLAG)) throw new Error(`give either ${KUBERNETES.flag} or ${URL_FLAG.flag}`);
  const text = values.get(SERVICE) ?? DEFAULT_SERVICE;
  const [, namespace, name, port = DEFAULT_PORT] =
    /^(\w[\w-]*)\/(\w[\w.-]*)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (namespace === undefined || name === undefined) {
    throw new Error(`${SERVICE.flag}: ${JSON.stringify(text)} is not NAMESPACE/NAME`);
  }
  return { namespace, name, port: Number(port), context: values.get(CONTEXT), directory };
}

/** One selector for each name, each with all labels. The names of pods begin with their namespace. */
function selectorsOf(
  names: readonly string[],
  labels: readonly string[],
  { namespace, type }: { readonly namespace: string | undefined; readonly type: string | undefined },
): TargetSelector[] {
  const pairs = labels.map((label) => {
    const end = label.indexOf('=');
    if (end <= 0) throw new Error(`${LABEL.flag}: ${JSON.stringify(label)} is not KEY=VALUE`);
    return [label.slice(0, end), label.slice(end + 1)];
  });
  const others: TargetSelector = {
    ...(type !== undefined && { type }),
    ...(namespace !== undefined && { namespace }),
    ...(pairs.length > 0 && { labels: Object.fromEntries(pairs) as Record<string, string> }),
  };
  if (names.length === 0) return Object.keys(others).length > 0 ? [others] : [];
  return names.map((name) => ({
    name: namespace === undefined || name.includes('/') ? name : `${namespace}/${name}`,
    ...others,
  }));
}

/** The service checks the object. */
function titleOf(container: string | undefined, netns: string | undefined): string {
  try {
    const { name } = JSON.parse(container ?? '') as { name?: unknown };
    if (typeof name === 'string' && name !== '') return name;
  } catch {
    // SyntaxError: there is none, or it is not valid
  }
  return netns === undefined ? 'a container' : `network namespace ${netns}`;
}

function helpText(): string {
  return (
    'Usage: capture [--netns <namespace> | --container <json> | --target <name>...] [options]\n' +
    '       capture wireshark [...]    the same, but starts Wireshark (WIRESHARK: path of the program) and sends it the packets\n' +
    '       capture list [--watch] [--json]    lists what can be captured from\n' +
    '       capture --kubernetes [...]    in a cluster, with the rights of kubectl\n\n' +
    'Captures live packets of containers, pods and network namespaces by means of a running packetflix service.\n\n' +
    `Options:\n${describeFlags(FLAGS)}`
  );
}

function parseUrl(text: string): string {
  if (!URL.canParse(text)) throw new Error(`${JSON.stringify(text)} is not a URL`);
  const { protocol, hash } = new URL(text);
  if (protocol !== 'ws:' && protocol !== 'wss:') throw new Error('the URL must begin with ws:// or wss://');
  if (hash !== '') throw new Error('the URL must not have a fragment (#...)');
  return text;
}

/** The service only checks whether the parameter is present. */
function parseSwitch(text: string): string {
  if (text !== 'true') throw new Error('does not take a value');
  return '';
}

/** The service checks the upper bounds. */
function limit(parameter: string, value: string, description: string): ClientFlag {
  const parse = (text: string): string => {
    if (/^[1-9]\d*$/.test(text) && Number.isSafeInteger(Number(text))) return text;
    throw new Error(`must be a whole number from 1, not ${JSON.stringify(text)}`);
  };
  return { flag: `--${parameter}`, value, description, parameter, parse };
}

/** Accepts the inode number of a network namespace, `pid:1234`, or a path to the namespace. */
function findNetnsInode(text: string, directory: string): number {
  if (/^\d+$/.test(text)) return checkedInode(Number(text));
  const pid = /^pid:(\d+)$/.exec(text)?.[1];
  return checkedInode(inodeOf(pid === undefined ? resolve(directory, text) : `/proc/${pid}/ns/net`));
}

function checkedInode(inode: number): number {
  if (inode > 0 && Number.isSafeInteger(inode)) return inode;
  throw new Error(`${inode} is not an inode number`);
}

function inodeOf(path: string): number {
  let file;
  try {
    file = statSync(path);
  } catch (error) {
    throw new Error(`no such namespace: ${(error as Error).message}`, { cause: error });
  }
  // All namespaces are files of one file system; the inode number of another file would mean nothing to the service.
  if (file.dev !== statSync('/proc/self/ns/net').dev) throw new Error(`${path} is not a namespace`);
  return file.ino;
}
