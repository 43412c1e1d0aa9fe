import { RING_BLOCK_BYTES } from './ring-block.js';
import { LEAST_CAPTURE_MEBIBYTES } from '../../shared/protocol/protocol.js';

const MIB = 1024 * 1024;

/** A ring with fewer blocks than this would lose packets whenever its reader is a few milliseconds late. */
const LEAST_RING_BYTES = 4 * RING_BLOCK_BYTES;
/** Better than not to capture from an interface at all, when there are hundreds of them. */
const SCANT_RING_BYTES = 2 * RING_BLOCK_BYTES;

/** What captures may have; ring memory is real, taken at once and cannot be swapped. */
export interface RingLimits {
  /** So many will find at least the least; how many there may be is for the server to say, which knows all of them. */
  readonly captures: number;
  /** Of this captures get the usual, as long as it lasts. */
  readonly totalBytes: number;
  /** All that there is. The rest is for captures with many interfaces, each of which needs a ring that is of use. */
  readonly mostBytes: number;
  /** What one capture gets, shared by its interfaces, as long as there is plenty. */
  readonly usualBytes: number;
  /** What it gets at the least. */
  readonly leastBytes: number;
}

/**
 * How to deal out ring memory.
 *
 * @param mebibytes for all captures together, at least LEAST_CAPTURE_MEBIBYTES for each
 */
export function ringLimits(captures: number, mebibytes: number): RingLimits {
  const leastBytes = LEAST_CAPTURE_MEBIBYTES * MIB;
  const mostBytes = mebibytes * MIB;
  const totalBytes = Math.max(mostBytes * USUAL_SHARE, captures * leastBytes);
  return { captures, totalBytes, mostBytes, usualBytes: 16 * MIB, leastBytes };
}

/** How much of the memory is dealt out to captures as such, before their interfaces are many. */
const USUAL_SHARE = 1 / 4;

export const DEFAULT_RING_LIMITS: RingLimits = ringLimits(256, 4096);

/** What one of several engines may have, so that all together do not exceed the limits. */
export function shareOf(engines: number, limits: RingLimits = DEFAULT_RING_LIMITS): RingLimits {
  const captures = Math.ceil(limits.captures / engines);
  // Never less than its captures need, as if there were one more of them to make the division come out even.
  const share = (bytes: number): number =>
    Math.max(Math.floor(bytes / engines), captures * limits.leastBytes);
  return { ...limits, captures, totalBytes: share(limits.totalBytes), mostBytes: share(limits.mostBytes) };
}

/** One ring as it is to be opened. */
export interface Ring {
  readonly bytes: number;
  /** After how long the kernel hands over a block that is not full, in milliseconds. */
  readonly blockTimeoutMs: number;
}

/**
 * Deals out ring memory: the usual size as long as every further capture up to the limit can still have the
 * least, so that the first ones are well off and none is refused for memory before the limit.
 */
export class RingBudget {
  private usedBytes = 0;
  private captures = 0;
  private rings = 0;

  constructor(private readonly limits: RingLimits = DEFAULT_RING_LIMITS) {}

  /** Set aside for captures now, and all that there is, in bytes. */
  get memory(): { readonly ringBytes: number; readonly mostRingBytes: number } {
    return { ringBytes: this.usedBytes, mostRingBytes: this.limits.mostBytes };
  }

  /** @returns undefined when there is not even the least */
  admit(): RingAllotment | undefined {
    const { totalBytes, mostBytes, usualBytes, leastBytes } = this.limits;
    const free = totalBytes - this.usedBytes - this.keptFor(this.captures + 1);
    const bytes = Math.max(leastBytes, Math.min(usualBytes, free));
    if (this.usedBytes + bytes > mostBytes) return undefined;
    this.captures++;
    this.usedBytes += bytes;
    return new RingAllotment(bytes, this);
  }

  /** More than a capture was given when it was admitted. @returns whether it may have that */
  extend(bytes: number): boolean {
    if (bytes > this.remainingBytes) return false;
    this.usedBytes += bytes;
    return true;
  }

  /** What captures may have beyond what they were given. */
  get remainingBytes(): number {
    return this.limits.mostBytes - this.usedBytes - this.keptFor(this.captures);
  }

  /** Takes back some of what a capture had. */
  reduce(bytes: number): void {
    this.usedBytes -= bytes;
  }

  /** Takes back all that a capture has. */
  release(bytes: number): void {
    this.captures--;
    this.usedBytes -= bytes;
  }

  /** What those will need that are still to come when there are so many. */
  private keptFor(captures: number): number {
    return Math.max(0, this.limits.captures - captures) * this.limits.leastBytes;
  }

  /** Counts rings: to be called with +1 for each that is opened, -1 for each that is closed. */
  countRing(change: 1 | -1): void {
    this.rings += change;
  }

  /**
   * The block timeout for one more ring. The kernel runs a timer for each ring, which is not free even when nothing
   * happens (200 idle rings at 2 ms took half of a machine with two cores), so with many of them latency gives way.
   * Small rings need time besides: their few blocks must not be used up by a few packets each.
   */
  blockTimeoutMs(ringBytes: number): number {
    if (this.rings >= MANY_RINGS) return 50;
    return this.rings >= SOME_RINGS || ringBytes < 8 * MIB ? 10 : 4;
  }
}

const SOME_RINGS = 8;
const MANY_RINGS = 32;

/** The ring memory of one capture. */
export class RingAllotment {
  private released = false;
  private rings = 0;
  private ringBytes = 0;
  /** What the budget has set aside for this capture. */
  private reservedBytes: number;

  constructor(
    readonly bytes: number,
    private readonly budget: RingBudget,
  ) {
    this.reservedBytes = bytes;
  }

  /**
   * A ring to be opened; `returnRing` when it is closed again.
   *
   * @param interfaces how many share the memory of this capture; those that come later make do with smaller rings
   * @returns undefined when there is no memory left, even for a small one
   */
  takeRing(interfaces: number): Ring | undefined {
    const share = this.bytes / Math.max(1, interfaces, this.rings + 1);
    const fair = Math.max(LEAST_RING_BYTES, Math.floor(share / RING_BLOCK_BYTES) * RING_BLOCK_BYTES);
    // With hundreds of interfaces, rather a scant ring for each of them than none for the last.
    const enough = interfaces * LEAST_RING_BYTES <= this.reservedBytes + this.budget.remainingBytes;
    const sizes = enough ? [fair, LEAST_RING_BYTES, SCANT_RING_BYTES] : [SCANT_RING_BYTES];
    const bytes = sizes.find((each) => this.reserve(each));
    if (bytes === undefined) return undefined;
    const blockTimeoutMs = this.budget.blockTimeoutMs(bytes);
    this.rings++;
    this.ringBytes += bytes;
    this.budget.countRing(1);
    return { bytes, blockTimeoutMs };
  }

  returnRing({ bytes }: Ring): void {
    this.rings--;
    this.ringBytes -= bytes;
    this.budget.countRing(-1);
    if (this.released) return;
    const surplus = this.reservedBytes - Math.max(this.bytes, this.ringBytes);
    this.reservedBytes -= surplus;
    this.budget.reduce(surplus);
  }

  /** When the capture is over. */
  release(): void {
    if (this.released) return;
    this.released = true;
    this.budget.release(this.reservedBytes);
  }

  /** Whether there is room for one more ring. */
  private reserve(bytes: number): boolean {
    const missing = this.ringBytes + bytes - this.reservedBytes;
    if (missing <= 0) return true;
    if (!this.budget.extend(missing)) return false;
    this.reservedBytes += missing;
    return true;
  }
}

/** How long a ring lasts even if every block is handed over after its time: in milliseconds. */
export function ringLastsMs({ bytes, blockTimeoutMs }: Ring): number {
  return (bytes / RING_BLOCK_BYTES) * blockTimeoutMs;
}
