import { execFileSync } from 'node:child_process';
import { shellWord } from '../../src/console/capture/shell.js';

const HOSTILE = [
  'web',
  '',
  'two words',
  "it's",
  '$(id)',
  '`id`',
  '"; id; "',
  "'; id; '",
  '\\',
  "\\'",
  '!!',
  '*',
  '~',
  '-rf',
  '#',
  'a\nb',
  '\u001b[201~\nid\n',
  '\u009b31m',
  'a\u202eb\u2028c',
  '\u007f1',
  'größe 東京 🦦',
];

describe('A quoted word', () => {
  it.each(HOSTILE)('reaches a program as it is: %j', (text) => {
    const output = execFileSync('bash', ['-c', `printf %s ${shellWord(text)}`], { encoding: 'utf8' });
    expect(output).toBe(text);
  });

  it.each(HOSTILE)('has nothing that a terminal acts on: %j', (text) => {
    expect(shellWord(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });

  it('without special characters is readable', () => {
    expect(shellWord('ws://127.0.0.1:5001/capture')).toBe('ws://127.0.0.1:5001/capture');
  });
});
