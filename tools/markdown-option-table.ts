import { OPTION_TABLE } from '../src/shared/config/option-table.js';
import type { OptionDescription } from '../src/shared/config/option-table.js';

/** The table of options as the README shows it; a test compares the two. */
export function markdownOptionTable(): string {
  const rows = OPTION_TABLE.map(
    (option) =>
      `| ${flags(option)} | \`${option.variable}\` | ${defaultOf(option)} | ${option.description} |`,
  );
  return ['| flag | variable | default | meaning |', '|---|---|---|---|', ...rows].join('\n');
}

function flags({ flag, short, value }: OptionDescription): string {
  const long = `\`${flag}${value === undefined ? '' : ` <${value}>`}\``;
  return short === undefined ? long : `\`${short}\`, ${long}`;
}

function defaultOf({ type, defaultValue, defaultInWords }: OptionDescription): string {
  if (defaultInWords !== undefined) return defaultInWords;
  return type.kind === 'switch' ? 'off' : `\`${String(defaultValue)}\``;
}
