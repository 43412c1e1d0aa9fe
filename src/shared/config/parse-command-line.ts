import { validateSync } from 'class-validator';
import { CaptureConfig } from '../../server/config/capture.config.js';
import { DiscoveryConfig } from '../../server/config/discovery.config.js';
import { ServerEnvironment } from '../../server/config/server-environment.js';
import { OPTION_TABLE } from './option-table.js';
import type { OptionDescription } from './option-table.js';
import type { Options } from '../../server/config/options.js';
import { parseFlags } from './parse-flags.js';
import type { ParsedFlags } from './parse-flags.js';
import { ServiceConfig } from '../../server/config/service.config.js';

/** What to do after reading the command line; on `error` say the message and exit with status 2. */
export type CommandLine =
  { readonly kind: 'options'; readonly options: Options } | Exclude<ParsedFlags, { kind: 'flags' }>;

/** What was given for an option, and where: for the message, should it be wrong. */
interface Given {
  readonly origin: string;
  readonly text: string;
}

/** Options by which the user says that there is a GhostWire; those that say how to treat it do not count. */
const WHERE_GHOSTWIRE_IS: ReadonlySet<string> = new Set(['service', 'gwPort']);

/** Reads flags and environment into validated options. Touches nothing but its arguments. */
export function parseCommandLine(argv: readonly string[], env: NodeJS.ProcessEnv): CommandLine {
  const flags = parseFlags(argv);
  if (flags.kind !== 'flags') return flags;

  const given = new Map(OPTION_TABLE.map((option) => [option, lookUp(option, flags.texts, env)]));
  const values = (section: OptionDescription['section']): Record<string, unknown> =>
    Object.fromEntries(
      OPTION_TABLE.filter((option) => option.section === section).map((option) => {
        const text = given.get(option)?.text;
        return [option.field, text === undefined ? defaultOf(option) : fromText(option, text)];
      }),
    );
  const service = Object.assign(new ServiceConfig(), values('service'));
  const capture = Object.assign(new CaptureConfig(), values('capture'));
  const discovery = Object.assign(new DiscoveryConfig(), values('discovery'), {
    configured: OPTION_TABLE.some(
      (option) =>
        option.section === 'discovery' &&
        WHERE_GHOSTWIRE_IS.has(option.field) &&
        given.get(option) !== undefined,
    ),
  });
  const engine = Object.assign(new ServerEnvironment(), {
    sockets: pathList(env['PACKETFLIX_ENGINE_SOCKETS']),
    discovererSocket: env['PACKETFLIX_DISCOVERER_SOCKET'] || undefined,
    supervised: env['PACKETFLIX_SUPERVISED'] === '1',
    become: userIds(env['PACKETFLIX_BECOME']),
  });

  const problems = OPTION_TABLE.flatMap((option) => {
    const origin = given.get(option);
    const problem = validateSync({ service, capture, discovery }[option.section]).find(
      ({ property }) => property === option.field,
    );
    if (problem === undefined) return [];
    const [constraint] = Object.values(problem.constraints ?? {});
    const instead = origin === undefined ? '' : `, not ${JSON.stringify(origin.text)}`;
    return [`${origin?.origin ?? option.flag} ${constraint}${instead}`];
  });
  if (discovery.proxy === true && discovery.local === true) {
    const origin = (field: string): string =>
      [...given].find(([option]) => option.field === field)?.[1]?.origin ?? field;
    problems.push(
      `${origin('local')} and ${origin('proxy')} exclude each other: both serve /discover/mobyshark`,
    );
  }
  return problems.length > 0
    ? { kind: 'error', message: problems.join('\n') }
    : { kind: 'options', options: { service, capture, discovery, engine } };
}

function lookUp(
  option: OptionDescription,
  flags: ReadonlyMap<string, string>,
  env: NodeJS.ProcessEnv,
): Given | undefined {
  const fromFlag = flags.get(option.flag);
  if (fromFlag !== undefined) return { origin: option.flag, text: fromFlag };
  // Compose files and the like cannot leave a variable away, only empty: so that means "not set".
  const fromEnv = env[option.variable];
  return fromEnv ? { origin: option.variable, text: fromEnv } : undefined;
}

function defaultOf({ kind, defaultValue }: OptionDescription): unknown {
  return kind === 'list' ? [] : defaultValue;
}

/** The typed value; where the text makes no sense, something that validation will refuse. */
function fromText({ kind }: OptionDescription, text: string): unknown {
  switch (kind) {
    case 'text':
      return text;
    case 'number':
      return /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    case 'list':
      return text.split(',').map((item) => item.trim());
    case 'switch':
      return { true: true, '1': true, yes: true, on: true, false: false, '0': false, no: false, off: false }[
        text.toLowerCase()
      ];
  }
}

function pathList(text: string | undefined): string[] {
  return (text ?? '').split(':').filter((path) => path !== '');
}

function userIds(text: string | undefined): { uid: number; gid: number } | undefined {
  const [, uid, gid] = /^(\d+):(\d+)$/.exec(text ?? '') ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}
