/** Characters that are not visible, or that change how others are shown: control, format and separator characters. */
export const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const EACH_INVISIBLE = new RegExp(INVISIBLE, 'gu');

/**
 * Untrusted text for the page: invisible characters are written as `\u{1b}`, and it has at most about `maxCharacters`.
 * Any user who starts a container or process can choose its name.
 */
export function visibleText(text: string, maxCharacters = 200): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters - 1).trimEnd()}…` : text;
  return escapeInvisible(cut.toWellFormed(), escaped);
}

/** The text with `escape` applied to each of its invisible characters. */
export function escapeInvisible(text: string, escape: (character: string) => string): string {
  return text.replace(EACH_INVISIBLE, escape);
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}
