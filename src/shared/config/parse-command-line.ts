import { SERVICE_NAME, SERVICE_VERSION } from '../service-version.js';
import { readServerEnvironment, type ServerEnvironment } from '../supervisor-link/supervisor-link.js';
import { describeFlags, parseFlags, type Flag } from './command-line-flags.js';
import {
  OPTION_RULES,
  OPTION_TABLE,
  type OptionDescription,
  type OptionField,
  type OptionValues,
} from './option-table.js';

/** All options, valid, by section. */
export interface Options {
  readonly service: OptionValues<'service'>;
  readonly capture: OptionValues<'capture'>;
  readonly discovery: DiscoveryOptions;
  readonly cluster: OptionValues<'cluster'>;
  readonly environment: ServerEnvironment;
}

export type DiscoveryOptions = OptionValues<'discovery'> & {
  /** Whether the user said that there is a GhostWire service: `GHOSTWIRE_OPTIONS`. Otherwise nobody asks it. */
  readonly configured: boolean;
};

/** What to do after reading the command line; on `error`, print the message and exit with status 2. */
export type CommandLine =
  | { readonly kind: 'options'; readonly options: Options }
  | { readonly kind: 'help' | 'version'; readonly text: string }
  | { readonly kind: 'error'; readonly message: string };

/** The text given for an option, and the flag or variable that it came from. */
interface Given {
  readonly origin: string;
  readonly text: string;
}

const HELP: Flag = { flag: '--help', short: '-h', description: 'show this help and exit' };
const VERSION: Flag = { flag: '--version', description: 'show the version and exit' };
const FLAGS: readonly Flag[] = [
  ...OPTION_TABLE.map((option) => ({ ...option, description: helpLine(option) })),
  VERSION,
  HELP,
];

/** The options by which the user says that there is a GhostWire service. */
const GHOSTWIRE_OPTIONS: ReadonlySet<string> = new Set<OptionField>([
  'ghostwireHost',
  'ghostwirePort',
  'proxy',
]);

/** Reads the flags and the environment. Has no side effects. All invalid values are reported together. */
export function parseCommandLine(argv: readonly string[], env: NodeJS.ProcessEnv): CommandLine {
  const flags = parseFlags(argv, FLAGS);
  if (flags.kind === 'error') return flags;
  if (flags.texts.has(HELP.flag)) return { kind: 'help', text: helpText() };
  if (flags.texts.has(VERSION.flag)) return { kind: 'version', text: `${SERVICE_VERSION}\n` };

  const given = new Map(OPTION_TABLE.map((option) => [option.field, lookUp(option, flags.texts, env)]));
  const values = new Map(
    OPTION_TABLE.map((option) => [option.field, valueOf(option, given.get(option.field))]),
  );
  const all = Object.fromEntries(values);
  const nameOf = (field: string): string =>
    given.get(field)?.origin ?? OPTION_TABLE.find((option) => option.field === field)!.flag;
  const problems = [
    ...OPTION_TABLE.flatMap(({ field, type }) => {
      const text = given.get(field)?.text;
      const isValid = text === undefined || values.get(field) !== undefined;
      if (isValid) return [];
      return [
        `${nameOf(field)} ${type.explain?.(text) ?? `${type.requirement}, not ${JSON.stringify(text)}`}`,
      ];
    }),
    ...OPTION_RULES.filter(({ isMet }) => !isMet(all)).map(({ fields: [one, other], problem }) =>
      problem([nameOf(one), nameOf(other)], all),
    ),
  ];
  const environment = readServerEnvironment(env);
  if (all['authorize'] === 'kubernetes' && !environment.kubernetes) {
    problems.push(
      `${nameOf('authorize')} works in a pod of Kubernetes only: KUBERNETES_SERVICE_HOST is not set`,
    );
  }
  if (problems.length > 0) return { kind: 'error', message: problems.join('\n') };

  // Each section has exactly the fields that OptionValues derives from the same table.
  const section = <Section extends OptionDescription['section']>(name: Section): OptionValues<Section> =>
    Object.fromEntries(
      OPTION_TABLE.filter((option) => option.section === name).map(({ field }) => [field, values.get(field)]),
    ) as OptionValues<Section>;
  const configured = [...given].some(
    ([field, found]) => found !== undefined && GHOSTWIRE_OPTIONS.has(field) && values.get(field) !== false,
  );
  return {
    kind: 'options',
    options: {
      service: section('service'),
      capture: section('capture'),
      discovery: { ...section('discovery'), configured },
      cluster: section('cluster'),
      environment,
    },
  };
}

function lookUp(
  { flag, variable, type }: OptionDescription,
  flags: ReadonlyMap<string, readonly string[]>,
  env: NodeJS.ProcessEnv,
): Given | undefined {
  const texts = flags.get(flag);
  if (texts !== undefined) return { origin: flag, text: joined(texts, type.kind) };
  // Compose files and the like cannot omit a variable, only leave it empty: an empty variable counts as not set.
  const text = env[variable];
  return text ? { origin: variable, text } : undefined;
}

function joined(texts: readonly string[], kind: OptionDescription['type']['kind']): string {
  if (kind === 'list') return texts.join();
  return kind === 'lines' ? texts.join('\n') : (texts.at(-1) ?? '');
}

/** Undefined when the text is not valid, or when there is neither a text nor a default. */
function valueOf({ type, defaultValue }: OptionDescription, given: Given | undefined): unknown {
  return given === undefined ? defaultValue : type.parse(given.text);
}

function helpText(): string {
  return (
    `Usage: ${SERVICE_NAME} [options]\n\n` +
    'Live network captures from containers, pods and network namespaces, as pcapng over websockets.\n\n' +
    `Options:\n${describeFlags(FLAGS)}\n` +
    'A flag takes precedence over its environment variable, and the variable over the default.\n'
  );
}

function helpLine({ description, variable, type, defaultValue, defaultInWords }: OptionDescription): string {
  const byDefault = type.kind === 'switch' ? '' : `; default: ${defaultInWords ?? String(defaultValue)}`;
  return `${description} (${variable}${byDefault})`;
}
