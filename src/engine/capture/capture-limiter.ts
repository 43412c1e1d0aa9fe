import { ENHANCED_PACKET_BLOCK } from '../../shared/pcapng/format.js';
import { packetBlockBytes, type BlockBuffer } from './block-buffer.js';
import type { CaptureTotals } from '../../shared/protocol/protocol.js';
import {
  MAX_SNAPSHOT_LENGTH,
  type CaptureLimit,
  type CaptureLimits,
  type CaptureSpec,
} from '../../shared/protocol/capture-spec.js';

/** Where an enhanced packet block has what, in words of 32 bits from its begin. */
const TOTAL_LENGTH_WORD = 1;
const CAPTURED_LENGTH_WORD = 5;
const PACKET_WORD = 7;

/** How users know a limit: in what it counts, and by which parameter or option it was set. */
const LIMITS: Readonly<Record<keyof CaptureLimits, { unit: string; parameter: string; option: string }>> = {
  duration: { unit: 'second', parameter: 'duration', option: '--max-duration' },
  bytes: { unit: 'byte', parameter: 'max-bytes', option: '--max-bytes' },
  packets: { unit: 'packet', parameter: 'max-packets', option: '--max-packets' },
};

/**
 * Keeps the stream of one capture within what its order allows. It works on finished blocks, wherever they come
 * from: packets longer than the snapshot length are cut, those beyond a limit are left out, and everything else goes
 * on, as the statistics of the end must. Where the order has no limits nothing is looked at.
 */
export class CaptureLimiter {
  private readonly limits: CaptureLimits;
  private readonly snapshotLength: number;
  private readonly idle: boolean;
  private reached = false;
  private timer?: NodeJS.Timeout;
  private bytes = 0;
  private packets = 0;
  private packetBytes = 0;

  /** @param onReached called once, in a turn of its own, with the reason for users; the capture is to end */
  constructor(
    { limits = {}, snapshotLength = MAX_SNAPSHOT_LENGTH }: Pick<CaptureSpec, 'limits' | 'snapshotLength'>,
    private readonly onReached: (message: string) => void,
  ) {
    this.limits = limits;
    this.snapshotLength = snapshotLength;
    this.idle = !limits.bytes && !limits.packets && snapshotLength >= MAX_SNAPSHOT_LENGTH;
  }

  /** The capture runs: its time begins. */
  begin(): void {
    const { duration } = this.limits;
    if (duration) this.timer = setTimeout(() => this.reach('duration', duration), duration.atMost * 1_000);
  }

  close(): void {
    clearTimeout(this.timer);
  }

  /** To be called once with each buffer before it goes out. */
  apply(buffer: BlockBuffer): void {
    if (this.idle) return;
    const { words, bytes, length } = buffer;
    let kept = 0;
    for (let from = 0, next; from < length; from = next) {
      const blockBytes = words[(from >>> 2) + TOTAL_LENGTH_WORD]!;
      next = from + blockBytes;
      const isPacket = words[from >>> 2] === ENHANCED_PACKET_BLOCK;
      const keptBytes = isPacket ? this.cut(words, bytes, from, blockBytes) : blockBytes;
      if (isPacket && !this.admit(words[(from >>> 2) + CAPTURED_LENGTH_WORD]!, keptBytes)) continue;
      this.bytes += keptBytes;
      if (kept < from) bytes.copyWithin(kept, from, from + keptBytes);
      kept += keptBytes;
    }
    buffer.length = kept;
    const { bytes: most } = this.limits;
    if (most && this.bytes >= most.atMost) this.reach('bytes', most);
  }

  /** What went out, given what was taken from the interfaces. */
  delivered(taken: CaptureTotals): CaptureTotals {
    return this.idle ? taken : { ...taken, packets: this.packets, bytes: this.packetBytes };
  }

  /** Shortens a packet to the snapshot length; its original length stays. @returns bytes of the block then */
  private cut(words: Uint32Array, bytes: Buffer, from: number, blockBytes: number): number {
    const first = from >>> 2;
    const captured = this.snapshotLength;
    if (words[first + CAPTURED_LENGTH_WORD]! <= captured) return blockBytes;
    const packetEnd = from + 4 * PACKET_WORD + captured;
    const keptBytes = packetBlockBytes(captured);
    bytes.fill(0, packetEnd, from + keptBytes); // padding
    words[first + CAPTURED_LENGTH_WORD] = captured;
    words[first + TOTAL_LENGTH_WORD] = keptBytes;
    words[((from + keptBytes) >>> 2) - 1] = keptBytes;
    return keptBytes;
  }

  /** Counts a packet, unless there is no room for it. */
  private admit(captured: number, blockBytes: number): boolean {
    if (this.reached) return false;
    const { bytes, packets } = this.limits;
    if (bytes && this.bytes + blockBytes > bytes.atMost) {
      this.reach('bytes', bytes);
      return false;
    }
    this.packets++;
    this.packetBytes += captured;
    if (packets && this.packets >= packets.atMost) this.reach('packets', packets);
    return true;
  }

  private reach(which: keyof CaptureLimits, { atMost, setBy }: CaptureLimit): void {
    if (this.reached) return;
    this.reached = true;
    const { unit, parameter, option } = LIMITS[which];
    const origin = setBy === 'request' ? `${parameter} of the request` : `${option} of the service`;
    // Not now: we are called from the midst of a write.
    setImmediate(
      this.onReached,
      `the limit of ${atMost} ${unit}${atMost === 1 ? '' : 's'} was reached: ${origin}`,
    );
  }
}
