import type { CaptureConfig } from '../../config/capture.config.js';
import type { CaptureLimit } from '../../../shared/protocol/capture-spec.js';
import type { CaptureSpec } from '../../../shared/protocol/capture-spec.js';
import type { RequestedLimits } from './requested-limits.js';

/** What the service allows a single capture. */
export type CaptureMaxima = Pick<
  CaptureConfig,
  'maxDurationSeconds' | 'maxBytes' | 'maxPackets' | 'maxSnapshotLength'
>;

/** What a capture may do: the smaller of what its request wants and of what the service allows. */
export function effectiveLimits(
  requested: RequestedLimits,
  { maxDurationSeconds, maxBytes, maxPackets, maxSnapshotLength }: CaptureMaxima,
): Pick<CaptureSpec, 'limits' | 'snapshotLength'> {
  const limits = {
    ...named('duration', smaller(requested.durationSeconds, maxDurationSeconds)),
    ...named('bytes', smaller(requested.bytes, maxBytes)),
    ...named('packets', smaller(requested.packets, maxPackets)),
  };
  return {
    ...(Object.keys(limits).length > 0 && { limits }),
    ...named('snapshotLength', smaller(requested.snapshotLength, maxSnapshotLength)?.atMost),
  };
}

function smaller(requested = Infinity, allowed = Infinity): CaptureLimit | undefined {
  if (requested === Infinity && allowed === Infinity) return undefined;
  return requested <= allowed
    ? { atMost: requested, setBy: 'request' }
    : { atMost: allowed, setBy: 'service' };
}

/** An object of one field, or of none where there is no value. */
function named<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): Partial<Record<Name, Value>> {
  return value === undefined ? {} : ({ [name]: value } as Record<Name, Value>);
}
