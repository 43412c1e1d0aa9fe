/** A problem that the user has to fix; the message says how. */
export class SetupError extends Error {
  name = 'SetupError';
}
