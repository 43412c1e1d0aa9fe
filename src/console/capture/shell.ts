import { INVISIBLE } from '../visible-text.js';

/** A word that begins with an equals sign is something else to zsh. */
const PLAIN = /^[\w@%+:,./-][\w@%+:,./=-]*$/;

/**
 * Quotes a word for a POSIX shell. Text with invisible characters, which a terminal may act on when it is pasted, is written with escapes, in `$'...'` of POSIX.1-2024, which
 * bash, ksh and zsh know.
 */
export function shellWord(text: string): string {
  const word = text.toWellFormed().replaceAll('\0', '\ufffd'); // no argument can contain a zero byte
  if (PLAIN.test(word)) return word;
  if (!INVISIBLE.test(word)) return `'${word.replaceAll("'", "'\\''")}'`;
  return `$'${[...word].map(escaped).join('')}'`;
}

function escaped(character: string): string {
  if (character === "'" || character === '\\') return `\\${character}`;
  if (!INVISIBLE.test(character)) return character;
  const bytes = [...new TextEncoder().encode(character)];
  return bytes.map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
}

/** A command line of these words. */
export function shellCommand(...words: readonly string[]): string {
  return words.map(shellWord).join(' ');
}
