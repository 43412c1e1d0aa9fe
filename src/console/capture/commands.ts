import type { TargetSelector } from '../../shared/protocol/target-selector.js';
import { isContainer } from '../targets/target.js';
import { escapeInvisible } from '../visible-text.js';
import type { CaptureParameters, Selection } from './capture-request.js';
import { shellCommand } from './shell.js';

/** How to capture the same from a terminal. */
export interface CommandOffer {
  readonly program: string;
  /** Command lines with what they are for; none: the program cannot do it, and the note says why. */
  readonly commands: readonly { readonly purpose: string; readonly text: string }[];
  readonly note: string;
}

/** Where the service is, as the page sees it. */
export interface ServiceAddresses {
  /** `capture.pcapng` with all parameters. */
  readonly download: URL;
  /** The websocket `capture`, without parameters. */
  readonly websocket: URL;
  /** Ends with a slash. */
  readonly base: URL;
  /** Whether requests need a token, which the commands take from the variable PACKETFLIX_TOKEN. */
  readonly wantsToken: boolean;
}

const TO_WIRESHARK = '| wireshark -k -i -';
const FILE = 'capture.pcapng';

/** One offer for each program. */
export function commandOffers(
  selection: Selection,
  parameters: CaptureParameters,
  addresses: ServiceAddresses,
): CommandOffer[] {
  const client = clientArguments(parameters, addresses.websocket);
  return [
    curlOffer(addresses),
    clientOffer(client, addresses.wantsToken),
    dockerOffer(client, addresses.wantsToken),
    cshargOffer(selection, parameters, addresses.base),
  ];
}

const TOKEN_VARIABLE = 'PACKETFLIX_TOKEN';
const TOKEN_NOTE = `Set ${TOKEN_VARIABLE} to your token before: read -rs ${TOKEN_VARIABLE}; export ${TOKEN_VARIABLE}`;

/** The option -f makes curl fail when the service refuses, so that it does not write the JSON of the refusal as packets. */
function curlOffer({ download, wantsToken }: ServiceAddresses): CommandOffer {
  // For the shell to replace: the token is neither in the page nor in the history of the shell.
  const token = wantsToken ? ` --header "Authorization: Bearer $${TOKEN_VARIABLE}"` : '';
  return {
    program: 'curl',
    commands: [
      {
        purpose: 'Into Wireshark',
        text: `${shellCommand('curl', '-fsSN', download.href)}${token} ${TO_WIRESHARK}`,
      },
      {
        purpose: 'Into a file',
        text: `${shellCommand('curl', '-fN', '--output', FILE, download.href)}${token}`,
      },
    ],
    note: wantsToken ? `${TOKEN_NOTE}.` : 'If the service asks for a password, add --user NAME.',
  };
}

interface ClientArguments {
  readonly words?: readonly string[];
  readonly note: string;
}

function clientOffer({ words, note }: ClientArguments, wantsToken: boolean): CommandOffer {
  const npm = ['npm', 'run', '--silent', 'capture', '--'];
  return {
    program: 'npm run capture',
    commands: words
      ? [
          { purpose: 'Into Wireshark', text: shellCommand(...npm, 'wireshark', ...words) },
          { purpose: 'Into a file', text: shellCommand(...npm, ...words, '--write', FILE) },
        ]
      : [],
    note: noteOf(note, 'To be run in a checkout of this project.', wantsToken),
  };
}

/** The image of this project contains the client. */
function dockerOffer({ words, note }: ClientArguments, wantsToken: boolean): CommandOffer {
  const docker = [
    'docker',
    'run',
    '--rm',
    '--network',
    'host',
    ...(wantsToken ? ['--env', TOKEN_VARIABLE] : []),
    '--entrypoint',
    'node',
    'packetflix',
    'dist/cli/main.js',
  ];
  return {
    program: 'docker',
    commands: words
      ? [
          {
            purpose: 'Into Wireshark',
            text: `${shellCommand(...docker, ...words, '--write', '-')} ${TO_WIRESHARK}`,
          },
          { purpose: 'Into a file', text: `${shellCommand(...docker, ...words, '--write', '-')} > ${FILE}` },
        ]
      : [],
    note: noteOf(
      note,
      'With the image that docker/Dockerfile of this project builds; it contains the client.',
      wantsToken,
    ),
  };
}

function noteOf(note: string, where: string, wantsToken: boolean): string {
  const access = wantsToken
    ? `${TOKEN_NOTE}.`
    : 'If the service asks for a password, write it into the URL: USER:PASSWORD@ before the host.';
  return [note, where, access].filter(Boolean).join(' ');
}

/** The arguments of `npm run capture`, see src/cli/options.ts: its options have the names of the parameters. */
function clientArguments(
  { container, targets, ...others }: CaptureParameters,
  websocket: URL,
): ClientArguments {
  const options = Object.entries(others).flatMap(([name, text]) =>
    text === '' ? [`--${name}`] : [`--${name}=${text}`],
  );
  const url = `--url=${websocket.href}`;
  if (container !== undefined) {
    return { words: [url, `--container=${withEscapes(container)}`, ...options], note: '' };
  }
  const selectors = JSON.parse(targets ?? '[]') as TargetSelector[];
  const set = setArguments(selectors);
  if (!set) return { note: 'The client cannot express this choice of targets: use curl.' };
  const isBroader = selectors.some(({ prefix }) => prefix === '');
  return {
    words: [url, ...set, ...options],
    note: isBroader ? 'This captures from targets of these names in nested runtimes, too.' : '',
  };
}

/** The client combines each name with the same type, namespace and labels. */
function setArguments(selectors: readonly TargetSelector[]): string[] | undefined {
  const [first = {}] = selectors;
  const common = ({ type, namespace, labels = {} }: TargetSelector): string =>
    JSON.stringify([type, namespace, labels]);
  const isExpressible = selectors.every(
    ({ prefix = '', node, ...others }) =>
      prefix === '' && node === undefined && hasWholeName(others) && common(others) === common(first),
  );
  const names = selectors.flatMap(({ name }) => name ?? []);
  const { type, namespace, labels = {} } = first;
  if (!isExpressible || (names.length > 0 && names.length < selectors.length)) return undefined;
  if (names.length === 0 && selectors.length > 1) return undefined;
  const words = [
    ...names.map((name) => `--target=${name}`),
    ...(namespace === undefined ? [] : [`--namespace=${namespace}`]),
    ...(type === undefined ? [] : [`--type=${type}`]),
    ...Object.entries(labels).map(([key, value]) => `--label=${key}=${value}`),
  ];
  // All containers and pods are a set that has a name.
  return words.length > 0 ? words : ['--container={"name":"*","type":"set"}'];
}

/** With a namespace, the client adds it to a name that has none. */
function hasWholeName({ name, namespace }: TargetSelector): boolean {
  return name === undefined || namespace === undefined || name.includes('/');
}

/** JSON that is the same to its reader, without characters that would have to be escaped for the shell. */
function withEscapes(json: string): string {
  return escapeInvisible(json, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}

/** csharg finds targets by their names. */
function cshargOffer(selection: Selection, parameters: CaptureParameters, base: URL): CommandOffer {
  const offer = (note: string, ...words: string[]): CommandOffer => ({
    program: 'csharg',
    commands:
      words.length > 0
        ? [{ purpose: 'Into Wireshark', text: `${shellCommand(...words)} ${TO_WIRESHARK}` }]
        : [],
    note,
  });
  const target =
    selection.kind === 'targets' && selection.targets.length === 1 ? selection.targets[0] : undefined;
  if (!target || !isContainer(target)) return offer('csharg captures from one container or pod.');
  const { name, prefix, type } = target;
  if (name === '' || name.startsWith('-') || prefix !== '') {
    return offer('csharg finds containers by their names, and cannot find this one.');
  }
  const host = base.href.replace(/\/$/, '');
  const isWhole = Object.keys(parameters).every((parameter) => parameter === 'container');
  return offer(
    isWhole
      ? 'If the service asks for a token, add --token TOKEN.'
      : 'This captures everything: see csharg capture --help for filters and interfaces.',
    ...['csharg', '--host', host, 'capture', ...(type === 'pod' ? ['pod'] : []), name],
  );
}
