import { CaptureError } from '../../shared/protocol/capture-error.js';
import { isUnavailable } from '../discovery/directory-answer.js';

/** Converts a failure of the target directory or of the access check to a refusal of the capture. Returns other errors unchanged. */
export function asCaptureError(error: unknown): unknown {
  return isUnavailable(error) ? new CaptureError('discovery-failed', error.message, { cause: error }) : error;
}
