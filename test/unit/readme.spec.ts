import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { OPTION_TABLE } from '../../src/shared/config/option-table.js';
import { parseCommandLine } from '../../src/shared/config/parse-command-line.js';

const PROJECT = resolve(import.meta.dirname, '../..');
const OPTIONS = read('docs/options.md');
describe('docs/options.md', () => {
  it('describes each option as --help does', () => {
    const help = parseCommandLine(['--help'], {});
    if (help.kind !== 'help') throw new Error(`not the help: ${help.kind}`);
    const text = help.text.replace(/\s+/g, ' ');
    for (const { flag, short, value, variable, description } of OPTION_TABLE) {
      const syntax = `${short === undefined ? '' : `${short}, `}${flag}${value === undefined ? '' : ` <${value}>`}`;
      expect(text).toContain(`${syntax} ${description} (${variable}`);
      expect(OPTIONS).toContain(description);
    }
  });
});

function read(path: string): string {
  return readFileSync(join(PROJECT, path), 'utf8');
}
