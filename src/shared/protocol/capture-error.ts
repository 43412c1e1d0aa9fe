import { printable } from '../printable.js';

/**
 * Everything that can go wrong with a capture, as stable codes, on both sides of the boundary. The close code of each
 * is in server/capture/close-codes.ts.
 */
export const CAPTURE_ERROR_CODES = [
  /** A parameter is missing, malformed, or out of range. */
  'invalid-request',
  /** A text that cannot be the name of a network interface. */
  'invalid-interface',
  /** A capture filter that is too long, or that does not compile. */
  'invalid-filter',
  'no-such-namespace',
  /** No directory lists a target of that name. */
  'no-such-target',
  /** None of the interfaces exists in the network namespace. */
  'no-such-interface',
  /** The process has ended, or is no longer in the network namespace. */
  'stale-reference',
  /** Several targets match, in different network namespaces. */
  'ambiguous-reference',
  /** A limit on captures or on ring memory is reached. */
  'too-many-captures',
  /** The target directory could not be asked, or its answer was invalid. */
  'discovery-failed',
  /** The kernel denied access: the service lacks a privilege. */
  'not-permitted',
  /** The user may not capture from this target. */
  'forbidden',
  'shutting-down',
  /** A defect, or the capture engine is not available. */
  'internal',
] as const;

/**
 * Stable code of a {@link CaptureError}.
 *
 * @publicApi
 */
export type CaptureErrorCode = (typeof CAPTURE_ERROR_CODES)[number];

/**
 * A capture that cannot begin or continue. The message is sent to the client: it must hold no secrets and no stack.
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

/** Longest excerpt, in characters: it must fit a close reason of 123 bytes together with the rest of the message. */
const MAX_EXCERPT_CHARACTERS = 40;

/** A client's text, shortened for an error message, with control characters replaced by U+FFFD. */
export function excerpt(text: string): string {
  return printable(text, MAX_EXCERPT_CHARACTERS);
}
