import {
  MAX_DURATION_SECONDS,
  MAX_SNAPSHOT_LENGTH,
  MAX_PACKETS_OR_BYTES,
} from '../../../shared/protocol/limits.js';
import type { CaptureConfig } from '../../config/capture.config.js';
import { CaptureError, excerpt } from '../../../shared/protocol/capture-error.js';
import { type CaptureLimit, type CaptureSpec } from '../../../shared/protocol/capture-spec.js';

/** Limits that the service sets for each capture; absent: unlimited. */
export type CaptureMaxima = Pick<
  CaptureConfig,
  'maxDurationSeconds' | 'maxBytes' | 'maxPackets' | 'maxSnapshotLength'
>;

/** The parameters that set limits, and the greatest value of each. */
export const LIMIT_PARAMETERS = {
  duration: MAX_DURATION_SECONDS,
  'max-bytes': MAX_PACKETS_OR_BYTES,
  'max-packets': MAX_PACKETS_OR_BYTES,
  snaplen: MAX_SNAPSHOT_LENGTH,
} as const;

export type LimitParameter = keyof typeof LIMIT_PARAMETERS;

/**
 * The limits of a capture: of each, the smaller one of what the client requests and of what the service allows.
 *
 * @param valueOf the client's text for a parameter
 * @throws CaptureError `invalid-request` when a text is not a decimal integer from 1 to the greatest value
 */
export function parseLimits(
  valueOf: (name: LimitParameter) => string | undefined,
  { maxDurationSeconds, maxBytes, maxPackets, maxSnapshotLength }: CaptureMaxima,
): Pick<CaptureSpec, 'limits' | 'snapshotLength'> {
  const limit = (name: LimitParameter, allowed?: number): CaptureLimit | undefined =>
    smaller(parseLimit(name, valueOf(name)), allowed);
  const duration = limit('duration', maxDurationSeconds);
  const bytes = limit('max-bytes', maxBytes);
  const packets = limit('max-packets', maxPackets);
  const snapshotLength = limit('snaplen', maxSnapshotLength);
  const limits = { ...(duration && { duration }), ...(bytes && { bytes }), ...(packets && { packets }) };
  return {
    ...(Object.keys(limits).length > 0 && { limits }),
    ...(snapshotLength && { snapshotLength: snapshotLength.max }),
  };
}

function parseLimit(name: LimitParameter, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const max = LIMIT_PARAMETERS[name];
  const value = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : NaN;
  if (value <= max) return value;
  throw new CaptureError(
    'invalid-request',
    `${name} must be a whole number from 1 to ${max}, not "${excerpt(text)}"`,
  );
}

function smaller(requested = Infinity, allowed = Infinity): CaptureLimit | undefined {
  if (requested === Infinity && allowed === Infinity) return undefined;
  return requested <= allowed ? { max: requested, setBy: 'request' } : { max: allowed, setBy: 'service' };
}
