/** Characters that are not visible, or that change how others are shown: control, format and separator characters. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * Untrusted text for the page: invisible characters are written as `\u{1b}`, and it has at most about `maxCharacters`.
 * Names come from whoever starts containers and processes.
 */
export function visibleText(text: string, maxCharacters = 200): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters - 1).trimEnd()}…` : text;
  return cut.toWellFormed().replace(INVISIBLE, escaped);
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}
