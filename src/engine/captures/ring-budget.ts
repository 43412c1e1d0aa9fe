const MIB = 1024 * 1024;

/** A block of libpcap's rings: it asks the kernel for frames of 256 KiB, whatever the snapshot length. */
const RING_BLOCK_BYTES = 256 * 1024;
/** A ring with fewer blocks than this would lose packets whenever its reader is a few milliseconds late. */
const LEAST_RING_BYTES = 4 * RING_BLOCK_BYTES;

/** What all captures of an engine may have; ring memory is real, taken at once and cannot be swapped. */
export interface RingLimits {
  readonly captures: number;
  readonly totalBytes: number;
  /** What one capture gets, shared by its interfaces, as long as there is plenty. */
  readonly usualBytes: number;
  /** What it gets at the least. */
  readonly leastBytes: number;
}

export const DEFAULT_RING_LIMITS: RingLimits = {
  captures: 256,
  totalBytes: 1024 * MIB,
  usualBytes: 16 * MIB,
  leastBytes: 2 * MIB,
};

/**
 * Deals out ring memory: the usual size as long as every further capture up to the limit can still have the
 * least, so that the first ones are well off and none is refused for memory before the limit.
 */
export class RingBudget {
  private usedBytes = 0;
  private captures = 0;

  constructor(private readonly limits: RingLimits = DEFAULT_RING_LIMITS) {}

  /** @returns undefined when there are too many captures already */
  admit(): RingAllotment | undefined {
    const { captures, totalBytes, usualBytes, leastBytes } = this.limits;
    if (this.captures >= captures) return undefined;
    const keptForOthers = (captures - this.captures - 1) * leastBytes;
    const free = totalBytes - this.usedBytes - keptForOthers;
    const bytes = Math.max(leastBytes, Math.min(usualBytes, free));
    this.captures++;
    this.usedBytes += bytes;
    return new RingAllotment(bytes, (released) => {
      this.captures--;
      this.usedBytes -= released;
    });
  }
}

/** The ring memory of one capture. */
export class RingAllotment {
  private released = false;

  constructor(
    readonly bytes: number,
    private readonly onRelease: (bytes: number) => void,
  ) {}

  /** The size of each ring, in bytes, when so many interfaces are captured from. */
  ringBytes(interfaces: number): number {
    const share = this.bytes / Math.max(1, interfaces);
    return Math.max(LEAST_RING_BYTES, Math.floor(share / RING_BLOCK_BYTES) * RING_BLOCK_BYTES);
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    this.onRelease(this.bytes);
  }
}

/**
 * After how long the kernel hands over a block that is not full, in milliseconds. Small rings have few blocks, which
 * must not all be used up by a few packets each; and many rings are small ones, whose timers cost the
 * whole machine when they are idle.
 */
export function blockTimeoutMs(ringBytes: number): number {
  return ringBytes >= 8 * MIB ? 3 : 10;
}

/** How long a ring lasts even if every block is handed over after its time: in milliseconds. */
export function ringLastsMs(ringBytes: number): number {
  return (ringBytes / RING_BLOCK_BYTES) * blockTimeoutMs(ringBytes);
}
