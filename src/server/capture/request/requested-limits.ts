import { MAX_PACKETS_OR_BYTES } from '../../../shared/config/option-table.js';
import { MAX_DURATION_SECONDS, MAX_SNAPSHOT_LENGTH } from '../../../shared/protocol/capture-spec.js';
import { CaptureError, excerpt } from '../../../shared/protocol/capture-error.js';

/** How much of everything a client wants at the most; absent: as much as there is. */
export interface RequestedLimits {
  readonly durationSeconds?: number;
  /** Bytes of the stream up to its last packet. */
  readonly bytes?: number;
  readonly packets?: number;
  /** Most bytes of each packet. */
  readonly snapshotLength?: number;
}

/** The parameters that set limits: the field, and the greatest value. */
export const LIMIT_PARAMETERS = {
  duration: { field: 'durationSeconds', most: MAX_DURATION_SECONDS },
  'max-bytes': { field: 'bytes', most: MAX_PACKETS_OR_BYTES },
  'max-packets': { field: 'packets', most: MAX_PACKETS_OR_BYTES },
  snaplen: { field: 'snapshotLength', most: MAX_SNAPSHOT_LENGTH },
} as const satisfies Record<string, { field: keyof RequestedLimits; most: number }>;

export type LimitParameter = keyof typeof LIMIT_PARAMETERS;

/**
 * @param valueOf what the client gave for a parameter
 * @throws CaptureError `invalid-request` where that is no decimal integer from 1 to the greatest
 */
export function parseLimits(valueOf: (name: LimitParameter) => string | undefined): RequestedLimits {
  const limits: Partial<Record<keyof RequestedLimits, number>> = {};
  for (const name of Object.keys(LIMIT_PARAMETERS) as LimitParameter[]) {
    const { field, most } = LIMIT_PARAMETERS[name];
    const text = valueOf(name);
    if (text !== undefined) limits[field] = parseLimit(name, text, most);
  }
  return limits;
}

function parseLimit(name: LimitParameter, text: string, most: number): number {
  const limit = /^[1-9]\d{0,15}$/.test(text) ? Number(text) : NaN;
  if (limit <= most) return limit;
  throw new CaptureError(
    'invalid-request',
    `${name} must be a whole number from 1 to ${most}, not "${excerpt(text)}"`,
  );
}
