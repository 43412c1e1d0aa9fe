/** Control, format and unassigned characters, line and paragraph separators. JSON knows only the first 32 of them. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * Text of strangers, made harmless for a log: in one line, of bounded length, and without anything that a terminal
 * obeys or that shows the line in another order than it was written.
 */
export function quotedText(text: string, maxLength = 500): string {
  return escapeInvisible(JSON.stringify(text.length > maxLength ? `${text.slice(0, maxLength)}…` : text));
}

/** For text that is JSON already. */
export function escapeInvisible(json: string): string {
  return json.replace(INVISIBLE, (character) =>
    Array.from({ length: character.length }, (_, at) => unicodeEscape(character.charCodeAt(at))).join(''),
  );
}

function unicodeEscape(codeUnit: number): string {
  return `\\u${codeUnit.toString(16).padStart(4, '0')}`;
}
