import { Command, CommanderError, Option } from 'commander';
import { SERVICE_NAME, SERVICE_VERSION } from '../service-version.js';
import { OPTION_TABLE } from './option-table.js';
import type { OptionDescription } from './option-table.js';

/** What the command line says, unvalidated: the text given for each flag, under the flag's long name. */
export type ParsedFlags =
  | { readonly kind: 'flags'; readonly texts: ReadonlyMap<string, string> }
  | { readonly kind: 'help' | 'version'; readonly text: string }
  | { readonly kind: 'error'; readonly message: string };

/** Reads the flags; values are looked at later, together with those of the environment. */
export function parseFlags(argv: readonly string[]): ParsedFlags {
  const { rest, switches } = takeSwitchValues(argv);
  let output = '';
  const command = commandFromTable().configureOutput({
    writeOut: (text) => (output += text),
    writeErr: () => undefined,
  });
  try {
    command.parse(rest, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed') return { kind: 'help', text: output };
    if (error.code === 'commander.version') return { kind: 'version', text: output };
    return { kind: 'error', message: error.message.replace(/^error: /, '') };
  }
  const texts = new Map(switches);
  const parsed = command.opts<Record<string, string | boolean>>();
  for (const { flag } of OPTION_TABLE) {
    const value = parsed[new Option(flag).attributeName()];
    if (value !== undefined) texts.set(flag, String(value));
  }
  return { kind: 'flags', texts };
}

function commandFromTable(): Command {
  const command = new Command(SERVICE_NAME)
    .description(
      'Live network captures from containers, pods and network namespaces, as pcapng over websockets.',
    )
    .allowExcessArguments(false)
    .helpOption('-h, --help', 'show this help and exit')
    .version(SERVICE_VERSION, '--version', 'show the version and exit')
    .addHelpText('after', '\nA flag wins over its environment variable, the variable over the default.')
    .exitOverride();
  for (const description of OPTION_TABLE) {
    const option = new Option(syntax(description), helpLine(description));
    if (description.kind === 'list') option.argParser(joined);
    command.addOption(option);
  }
  return command;
}

/** One list, whether its flag came once with commas or several times. */
function joined(value: string, previous: string | undefined): string {
  return previous === undefined ? value : `${previous},${value}`;
}

function syntax({ flag, short, value }: OptionDescription): string {
  return `${short === undefined ? '' : `${short}, `}${flag}${value === undefined ? '' : ` <${value}>`}`;
}

function helpLine({ description, variable, defaultValue, defaultInWords }: OptionDescription): string {
  const byDefault = defaultInWords ?? defaultValue;
  const suffix = typeof byDefault === 'boolean' ? '' : `; default: ${byDefault}`;
  return `${description} (${variable}${suffix})`;
}

/**
 * Takes `--debug=false` and its like out of the arguments: the service's older command line, which was made in
 * Go, understood them, and commander gives values to switches only in ways that would swallow the next argument.
 */
function takeSwitchValues(argv: readonly string[]): { rest: string[]; switches: Map<string, string> } {
  const switches = new Map<string, string>();
  const rest = argv.filter((argument) => {
    const [, flag, value] = /^(--[^=]+)=(.*)$/s.exec(argument) ?? [];
    if (flag === undefined || value === undefined) return true;
    if (!OPTION_TABLE.some((option) => option.kind === 'switch' && option.flag === flag)) return true;
    switches.set(flag, value);
    return false;
  });
  return { rest, switches };
}
