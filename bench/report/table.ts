/** Results of a scenario. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** How the values were measured. */
  readonly notes?: readonly string[];
}

/** For a terminal: all columns but the first are aligned right. */
export function asText({ title, columns, rows, notes = [] }: Table): string {
  const widths = columns.map((column, i) =>
    Math.max(...[column, ...rows.map((row) => row[i] ?? '')].map(width)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => {
        const padding = ' '.repeat((widths[i] ?? 0) - width(cell));
        return i === 0 ? cell + padding : padding + cell;
      })
      .join('  ');
  const rule = widths.map((each) => '─'.repeat(each)).join('  ');
  return [`\n${title}`, '', line(columns), rule, ...rows.map(line), ...notes.map((note) => `  ${note}`)].join(
    '\n',
  );
}

export function asMarkdown({ title, columns, rows, notes = [] }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = columns.map((_, i) => (i === 0 ? '---' : '--:'));
  return [
    `\n### ${title}\n`,
    line(columns),
    line(rule),
    ...rows.map(line),
    '',
    ...notes.map((n) => `${n}\n`),
  ].join('\n');
}

function width(text: string): number {
  return [...text].length;
}
