import { CaptureError } from '../../shared/protocol/capture-error.js';
import { CaptureAccessError } from '../access/capture-access.js';
import { TargetDirectoryError } from '../discovery/target-directory.js';

/** What a client is told when the directory, or whoever decides about access, cannot be asked; other errors stay as they are. */
export function asCaptureError(error: unknown): unknown {
  const isKnown = error instanceof CaptureAccessError || error instanceof TargetDirectoryError;
  return isKnown ? new CaptureError('discovery-failed', error.message, { cause: error }) : error;
}
