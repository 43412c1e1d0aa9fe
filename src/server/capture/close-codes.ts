import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { CaptureErrorCode } from '../../shared/protocol/capture-error.js';
import type { CaptureEnd } from './capture-provider.js';

/** How we end a websocket. The message may be long: it is cut only for the close frame. */
export interface Closing {
  readonly code: number;
  readonly cause: ClosingCause;
  readonly message: string;
}

/** Why a websocket ends, as one of a few words: what the code does not tell. */
export type ClosingCause = CaptureErrorCode | CaptureEnd['code'] | 'client-left';

/** RFC 6455, 5.5: a control frame carries 125 bytes, of which the code takes two. */
const MAX_REASON_BYTES = 123;

/** Codes of RFC 6455, 7.4.1 and, from 4000 on, our own; clients rely on them. */
const CODE_OF_ERROR: Readonly<Record<CaptureErrorCode, number>> = {
  'invalid-request': 4400,
  'invalid-interface': 4400,
  'invalid-filter': 4400,
  'no-such-namespace': 4404,
  'no-such-target': 4404,
  'no-such-interface': 4404,
  'stale-reference': 4409,
  'ambiguous-reference': 4409,
  'too-many-captures': 4429,
  'discovery-failed': 4502,
  'not-permitted': 1011,
  'shutting-down': 1001,
  internal: 1011,
};

/** Of every refusal there can be. */
export const REFUSALS: readonly (readonly [cause: CaptureErrorCode, code: number])[] = Object.entries(
  CODE_OF_ERROR,
) as [CaptureErrorCode, number][];

/** Of every end of a capture that ran. */
export const ENDS: readonly (readonly [cause: ClosingCause, code: number])[] = [
  ['client-left', 1000],
  ['stopped', 1000],
  ['target-ended', 1000],
  ['limit-reached', 1000],
  ['shutting-down', CODE_OF_ERROR['shutting-down']],
  ['internal', CODE_OF_ERROR.internal],
];

/** RFC 6455, 7.4.1; the websocket library sends it. */
const MESSAGE_TOO_BIG = ['message-too-big', 1009] as const;

/** Every way in which a websocket may be closed by us. */
export const CLOSINGS: readonly (readonly [cause: string, code: number])[] = [
  ...ENDS,
  MESSAGE_TOO_BIG,
  ...REFUSALS,
];

export const SHUTTING_DOWN: Closing = {
  code: CODE_OF_ERROR['shutting-down'],
  cause: 'shutting-down',
  message: 'the service is shutting down',
};

/** For whatever went wrong; only our own errors have messages that are fit for strangers. */
export function closingForError(error: unknown): Closing {
  if (error instanceof CaptureError) {
    return { code: CODE_OF_ERROR[error.code], cause: error.code, message: error.message };
  }
  return { code: CODE_OF_ERROR.internal, cause: 'internal', message: 'internal error' };
}

/** For a capture that ran and is over, not because we are shutting down. */
export function closingForEnd({ code, message }: CaptureEnd): Closing {
  switch (code) {
    case 'target-ended':
    case 'limit-reached':
    case 'stopped':
      return { code: 1000, cause: code, message };
    case 'internal':
      return { code: CODE_OF_ERROR.internal, cause: code, message };
  }
}

/** As much of the message as a close frame takes, cut between two characters. */
export function closeReason(message: string): Buffer {
  const bytes = Buffer.from(message);
  if (bytes.length <= MAX_REASON_BYTES) return bytes;
  let end = MAX_REASON_BYTES;
  // Continuation bytes of UTF-8 are 10xxxxxx: step back to the first byte of the character that is cut.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
