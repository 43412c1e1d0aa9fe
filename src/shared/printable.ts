/** Untrusted text made safe to print: control characters replaced by U+FFFD, and at most `maxCharacters` long. */
export function printable(text: string, maxCharacters: number): string {
  // The text may be long: this prefix contains enough characters, whatever the number of code units of each.
  const characters = [...text.slice(0, 4 * maxCharacters)];
  const isCut = characters.length > maxCharacters;
  const shown = isCut ? `${characters.slice(0, maxCharacters - 1).join('')}…` : characters.join('');
  return shown.replace(/\p{Cc}/gu, '\u{fffd}').toWellFormed();
}
