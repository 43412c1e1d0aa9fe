import { printable } from '../../shared/printable.js';

/** Characters that change the direction of the text around them, and those that take no room. */
const INVISIBLE = /[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Text of packets and names as it can be shown: of limited length, and with nothing in it that cannot be seen. */
export function visibleText(text: string, maxCharacters: number): string {
  return printable(text, maxCharacters).replace(
    INVISIBLE,
    (character) => `[U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`,
  );
}
