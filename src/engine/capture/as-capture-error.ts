import { CAPTURE_ERROR_CODES, CaptureError } from '../../shared/protocol/capture-error.js';
import { FilterError } from '../filter/filter-compiler.js';

/** The message names the limit, as every `too-many-captures` does. */
export const RING_MEMORY_USED_UP = 'there is no ring memory left: --ring-memory of the service';

/** What to answer for anything that may be thrown while a capture is opened. */
export function asCaptureError(error: unknown): CaptureError {
  if (error instanceof CaptureError) return error;
  if (error instanceof FilterError) {
    return new CaptureError('invalid-filter', `capture filter: ${error.message}`, { cause: error });
  }
  const { code, message } = error as { code?: string; message: string };
  if (code === 'EPERM' || code === 'EACCES') {
    return new CaptureError('not-permitted', `the service lacks a privilege: ${message}`, { cause: error });
  }
  const known = CAPTURE_ERROR_CODES.find((each) => each === code) ?? 'internal';
  return new CaptureError(known, message, { cause: error });
}
