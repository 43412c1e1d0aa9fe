/** Parses the flags of a command line and formats their `--help`, for the service and for `npm run capture`. */
import { parseArgs } from 'node:util';

/** What parsing and `--help` need to know about one flag of a command line. */
export interface Flag {
  readonly flag: string;
  readonly short?: string;
  /** Name of the value in `--help`; absent: the flag is a switch. */
  readonly value?: string;
  readonly description: string;
}

/** The texts given on a command line, in their order, by the flag's long name; a switch has the text `true`. */
export type ParsedFlags =
  | { readonly kind: 'flags'; readonly texts: ReadonlyMap<string, readonly string[]> }
  | { readonly kind: 'error'; readonly message: string };

/**
 * Parses a command line without any positional arguments. Values are not validated. A switch may be followed by a value
 * in the same argument (`--debug=false`), as in the service's original command line, which used Go's flag package.
 */
export function parseFlags(argv: readonly string[], flags: readonly Flag[]): ParsedFlags {
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      flags.map(({ flag, short, value }) => [
        flag.slice(2),
        {
          type: value === undefined ? 'boolean' : 'string',
          ...(short ? { short: short.slice(1) } : {}),
        } as const,
      ]),
    ),
    // parseArgs refuses "--port -1" and "--debug=false" when strict, both with misleading messages.
    strict: false,
    tokens: true,
  });
  const texts = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === 'option-terminator') continue;
    if (token.kind === 'positional')
      return { kind: 'error', message: `unexpected argument '${token.value}'` };
    const known = flags.find(({ flag }) => flag === `--${token.name}`);
    if (!known) return { kind: 'error', message: `unknown option '${token.rawName}'` };
    const text = token.value ?? (known.value === undefined ? 'true' : undefined);
    if (text === undefined)
      return { kind: 'error', message: `option '${flagSyntax(known)}' requires a value` };
    texts.set(known.flag, [...(texts.get(known.flag) ?? []), text]);
  }
  return { kind: 'flags', texts };
}

/** Such as `-p, --port <number>`. */
export function flagSyntax({ flag, short, value }: Flag): string {
  return `${short === undefined ? '' : `${short}, `}${flag}${value === undefined ? '' : ` <${value}>`}`;
}

const HELP_COLUMNS = 100;

/** The flags in two columns, with descriptions wrapped to 100 columns; ends with a newline. */
export function describeFlags(flags: readonly Flag[]): string {
  const width = Math.max(...flags.map((flag) => flagSyntax(flag).length)) + 4;
  const rows = flags.map((flag) => {
    const lines = wrapped(flag.description, HELP_COLUMNS - width).join(`\n${' '.repeat(width)}`);
    return `${`  ${flagSyntax(flag)}`.padEnd(width)}${lines}\n`;
  });
  return rows.join('');
}

function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
