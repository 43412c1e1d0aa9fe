/**
 * Everything that can go wrong with a capture, as stable codes. What a client gets to see for each is in
 * close-codes.ts.
 *
 * @publicApi
 */
export type CaptureErrorCode =
  | 'invalid-request'
  | 'invalid-interface'
  | 'invalid-filter'
  | 'no-such-namespace'
  | 'no-such-target'
  | 'no-such-interface'
  | 'stale-reference'
  | 'ambiguous-reference'
  | 'too-many-captures'
  | 'discovery-failed'
  | 'not-permitted'
  | 'shutting-down'
  | 'internal';

/**
 * A capture that cannot begin or go on. The message is meant for the client's user: no secrets, no stacks.
 *
 * @publicApi
 */
export class CaptureError extends Error {
  constructor(
    readonly code: CaptureErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'CaptureError';
  }
}
