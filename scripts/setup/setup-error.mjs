/** Something that the user has to mend; the message says what and how. */
export class SetupError extends Error {
  name = 'SetupError';
}
