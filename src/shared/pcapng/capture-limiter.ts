import { MAX_SNAPSHOT_LENGTH } from '../protocol/limits.js';
import { type CaptureLimit, type CaptureLimits, type StreamSpec } from '../protocol/capture-spec.js';
import type { BlockBuffer } from './block-buffer.js';

/** How users know a limit: its unit, and the parameter or the option that sets it. */
const LIMITS: Readonly<Record<keyof CaptureLimits, { unit: string; parameter: string; option: string }>> = {
  duration: { unit: 'second', parameter: 'duration', option: '--max-duration' },
  bytes: { unit: 'byte', parameter: 'max-bytes', option: '--max-bytes' },
  packets: { unit: 'packet', parameter: 'max-packets', option: '--max-packets' },
};

/** What a stream has delivered so far. */
export interface Delivered {
  packets: number;
  /** Captured bytes of these packets. */
  packetBytes: number;
  /** All bytes of the stream. */
  streamBytes: number;
}

/**
 * Enforces the limits and the snapshot length of one capture on finished blocks: longer packets are truncated,
 * packets beyond a limit are left out, all other blocks pass, since the final statistics must follow. A capture without
 * limits costs nothing.
 */
export class CaptureLimiter {
  private readonly limits: CaptureLimits;
  private readonly snapshotLength: number;
  private readonly idle: boolean;
  private reached = false;
  private timer?: NodeJS.Timeout;

  /** @param onReached called once, asynchronously, with the reason for users: the capture is to end */
  constructor(
    { limits = {}, snapshotLength = MAX_SNAPSHOT_LENGTH }: Pick<StreamSpec, 'limits' | 'snapshotLength'>,
    private readonly onReached: (message: string) => void,
  ) {
    this.limits = limits;
    this.snapshotLength = snapshotLength;
    this.idle = !limits.bytes && !limits.packets && snapshotLength >= MAX_SNAPSHOT_LENGTH;
  }

  /** Starts the clock of the duration limit. */
  begin(): void {
    const { duration } = this.limits;
    if (duration) this.timer = setTimeout(() => this.reach('duration', duration), duration.max * 1_000);
  }

  close(): void {
    clearTimeout(this.timer);
  }

  /** Must be called once with each buffer before it is delivered. @param delivered what was delivered before it */
  apply(buffer: BlockBuffer, delivered: Readonly<Delivered>): void {
    if (this.idle) return;
    const { bytes, packets } = this.limits;
    buffer.edit(this.snapshotLength, (length) => {
      if (this.reached) return false;
      if (bytes && delivered.streamBytes + length > bytes.max) {
        this.reach('bytes', bytes);
        return false;
      }
      if (packets && delivered.packets + buffer.packets + 1 >= packets.max) this.reach('packets', packets);
      return true;
    });
    if (bytes && delivered.streamBytes + buffer.length >= bytes.max) this.reach('bytes', bytes);
  }

  private reach(which: keyof CaptureLimits, { max, setBy }: CaptureLimit): void {
    if (this.reached) return;
    this.reached = true;
    const { unit, parameter, option } = LIMITS[which];
    const origin = setBy === 'request' ? `${parameter} of the request` : `${option} of the service`;
    // Asynchronously, because the caller is in the middle of a write.
    setImmediate(this.onReached, `the limit of ${max} ${unit}${max === 1 ? '' : 's'} was reached: ${origin}`);
  }
}
