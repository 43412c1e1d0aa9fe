import { CaptureError } from '../../shared/protocol/capture-error.js';
import type { CaptureErrorCode } from '../../shared/protocol/capture-error.js';
import type { CaptureEnd } from './capture-provider.js';

/** How this service closes a websocket. To add a close code, see docs/architecture.md, "How to extend it". The message may be long: it is cut only for the close frame. */
export interface Closing {
  readonly code: number;
  readonly cause: ClosingCause;
  readonly message: string;
}

/** Why a websocket is closed; more precise than the code. */
export type ClosingCause = CaptureErrorCode | CaptureEnd['code'] | 'client-left' | 'client-floods';

/** RFC 6455, 5.5: a control frame has at most 125 bytes, two of which are the code. */
const MAX_REASON_BYTES = 123;

/** Close codes of all errors: those of RFC 6455, 7.4.1 and, from 4000 on, of this service. Clients rely on them. */
const CLOSE_CODES: Readonly<Record<CaptureErrorCode, number>> = {
  'invalid-request': 4400,
  'invalid-interface': 4400,
  'invalid-filter': 4400,
  forbidden: 4403,
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

/** The same for downloads, which are refused before they begin. */
const HTTP_STATUSES: Readonly<Record<CaptureErrorCode, number>> = {
  'invalid-request': 400,
  'invalid-interface': 400,
  'invalid-filter': 400,
  forbidden: 403,
  'no-such-namespace': 404,
  'no-such-target': 404,
  'no-such-interface': 404,
  'stale-reference': 409,
  'ambiguous-reference': 409,
  'too-many-captures': 429,
  'discovery-failed': 502,
  'not-permitted': 503,
  'shutting-down': 503,
  internal: 503,
};

/** The HTTP status for a capture that did not begin; one that ended before it had sent anything counts as such. */
export function httpStatus(cause: ClosingCause): number {
  return Object.hasOwn(HTTP_STATUSES, cause) ? HTTP_STATUSES[cause as CaptureErrorCode] : 503;
}

/** Every way in which a request can be refused. */
export const REFUSALS: readonly (readonly [cause: CaptureErrorCode, code: number])[] = Object.entries(
  CLOSE_CODES,
) as [CaptureErrorCode, number][];

/** Every way in which a running capture can end. */
export const ENDS: readonly (readonly [cause: ClosingCause, code: number])[] = [
  ['client-left', 1000],
  ['stopped', 1000],
  ['target-ended', 1000],
  ['limit-reached', 1000],
  ['shutting-down', CLOSE_CODES['shutting-down']],
  ['client-floods', 1008],
  ['internal', CLOSE_CODES.internal],
];

/** Sent by the websocket library for frames that violate the protocol or exceed a limit; RFC 6455, 7.4.1. */
const REJECTED_FRAMES = [
  ['protocol-error', 1002],
  ['invalid-utf-8', 1007],
  ['too-many-fragments', 1008],
  ['message-too-big', 1009],
] as const;

/** Every way in which this service closes a websocket. */
export const CLOSINGS: readonly (readonly [cause: string, code: number])[] = [
  ...ENDS,
  ...REJECTED_FRAMES,
  ...REFUSALS,
];

export const SHUTTING_DOWN: Closing = {
  code: CLOSE_CODES['shutting-down'],
  cause: 'shutting-down',
  message: 'the service is shutting down',
};

/** For a capture that somebody has ended: `DELETE /captures/<name>`. @param user who, if that is known */
export function closingForStop(user: string | undefined): Closing {
  const by = user === undefined ? 'by request' : `by ${user}`;
  return { code: 1000, cause: 'stopped', message: `the capture was stopped ${by}` };
}

/** RFC 6455, 7.4.1, policy violation: the client sends more than it may. */
export function closingForFlood(message: string): Closing {
  return { code: 1008, cause: 'client-floods', message };
}

/** For any error; only the messages of CaptureError may be sent to clients. */
export function closingForError(error: unknown): Closing {
  if (error instanceof CaptureError) {
    return { code: CLOSE_CODES[error.code], cause: error.code, message: error.message };
  }
  return { code: CLOSE_CODES.internal, cause: 'internal', message: 'internal error' };
}

/** For a capture that ran and has ended, except by a shutdown. */
export function closingForEnd({ code, message }: CaptureEnd): Closing {
  switch (code) {
    case 'target-ended':
    case 'limit-reached':
    case 'stopped':
      return { code: 1000, cause: code, message };
    case 'internal':
      return { code: CLOSE_CODES.internal, cause: code, message };
    default:
      return code satisfies never;
  }
}

/** The longest prefix of the message that fits a close frame, cut between two characters. */
export function closeReason(message: string): Buffer {
  const bytes = Buffer.from(message);
  if (bytes.length <= MAX_REASON_BYTES) return bytes;
  let end = MAX_REASON_BYTES;
  // Continuation bytes of UTF-8 are 10xxxxxx: step back to the first byte of the character that is cut.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
