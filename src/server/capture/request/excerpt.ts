/** As many characters of a client's text as fit a message that is cut at 123 bytes. */
const MAX_CHARACTERS = 40;

/** Text of a client's for a message: never longer than a message can bear, and without control characters. */
export function excerpt(text: string): string {
  // A prefix that surely holds enough characters: the text as a whole may be long.
  const characters = [...text.slice(0, 4 * MAX_CHARACTERS)];
  const cut = characters.length > MAX_CHARACTERS;
  const shown = cut ? `${characters.slice(0, MAX_CHARACTERS - 1).join('')}…` : characters.join('');
  return shown.replace(/\p{Cc}/gu, '\u{fffd}');
}
