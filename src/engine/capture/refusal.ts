import type { RefusalCode } from '../../shared/protocol/protocol.js';
import { REFUSAL_CODES } from '../../shared/protocol/protocol.js';
import { FilterError } from '../filter/filter-compiler.js';

/** Names the limit, as all refusals for too many captures do. */
export const RING_MEMORY_USED_UP = 'there is no ring memory left: --ring-memory of the service';

/** A capture that cannot begin; the message is for the user of the client. */
export class RefusalError extends Error {
  constructor(
    readonly code: RefusalCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'RefusalError';
  }
}

/** What to answer for anything that may be thrown while a capture is opened. */
export function asRefusal(error: unknown): RefusalError {
  if (error instanceof RefusalError) return error;
  if (error instanceof FilterError) {
    return new RefusalError('invalid-filter', `capture filter: ${error.message}`, { cause: error });
  }
  const { code, message } = error as { code?: string; message: string };
  if (code === 'EPERM' || code === 'EACCES') {
    return new RefusalError('not-permitted', `the service lacks a privilege: ${message}`, { cause: error });
  }
  const refusal = REFUSAL_CODES.find((each) => each === code) ?? 'internal';
  return new RefusalError(refusal, message, { cause: error });
}
