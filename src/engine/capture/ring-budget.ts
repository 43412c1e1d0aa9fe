import { MIN_CAPTURE_MEBIBYTES } from '../../shared/protocol/protocol.js';

/**
 * Size in bytes of a block in a ring that libpcap opens: one packet of up to 256 KiB fits, whatever the snapshot length.
 * Ring memory is allotted in multiples of it. In rings that we read without libpcap, blocks may have half that size.
 */
export const RING_BLOCK_BYTES = 256 * 1024;

const MIB = 1024 * 1024;

/** A smaller ring would lose packets whenever its reader is a few milliseconds late. */
const SMALL_RING_BYTES = 4 * RING_BLOCK_BYTES;
/** For captures with hundreds of interfaces, where the alternative is no ring at all. */
const MIN_RING_BYTES = 2 * RING_BLOCK_BYTES;

/** How much ring memory captures may have. The kernel allocates it at once, and it cannot be swapped out. */
export interface RingLimits {
  /** Captures that are guaranteed the minimum. The server, which knows all engines, limits the number of captures. */
  readonly captures: number;
  /** The part of `maxBytes` from which captures get their usual size. */
  readonly usualTotalBytes: number;
  /** All ring memory. What exceeds `usualTotalBytes` is for captures of many interfaces, each of which needs a usable ring. */
  readonly maxBytes: number;
  /** What one capture usually gets, shared by its interfaces. */
  readonly usualBytes: number;
  /** What each capture is guaranteed. */
  readonly minBytes: number;
}

/**
 * How ring memory is shared among captures.
 *
 * @param mebibytes for all captures together, at least MIN_CAPTURE_MEBIBYTES for each
 */
export function ringLimits(captures: number, mebibytes: number): RingLimits {
  const minBytes = MIN_CAPTURE_MEBIBYTES * MIB;
  const maxBytes = mebibytes * MIB;
  const usualTotalBytes = Math.max(maxBytes * USUAL_SHARE, captures * minBytes);
  return { captures, usualTotalBytes, maxBytes, usualBytes: 16 * MIB, minBytes };
}

/** `usualTotalBytes` as a share of `maxBytes`. */
const USUAL_SHARE = 1 / 4;

export const DEFAULT_RING_LIMITS: RingLimits = ringLimits(256, 4096);

/** The share of one of several engines, so that all together do not exceed the limits. */
export function shareOf(engines: number, limits: RingLimits = DEFAULT_RING_LIMITS): RingLimits {
  const captures = Math.ceil(limits.captures / engines);
  // Never less than its captures are guaranteed, where the division leaves a remainder.
  const share = (bytes: number): number => Math.max(Math.floor(bytes / engines), captures * limits.minBytes);
  return {
    ...limits,
    captures,
    usualTotalBytes: share(limits.usualTotalBytes),
    maxBytes: share(limits.maxBytes),
  };
}

/** Size and block timeout of a ring. */
export interface RingParameters {
  readonly bytes: number;
  /** Time after which the kernel hands over a block that is not full, in milliseconds. */
  readonly blockTimeoutMs: number;
}

/**
 * Allots ring memory. A capture gets the usual size as long as enough remains to give the minimum to every further
 * capture up to the limit. The first captures therefore get large rings, and no capture within the limit is refused for
 * lack of memory.
 */
export class RingBudget {
  private usedBytes = 0;
  private captures = 0;
  private rings = 0;
  /** Number of rings that are being closed. */
  private closing = 0;
  private readonly waiters: (() => void)[] = [];

  constructor(private readonly limits: RingLimits = DEFAULT_RING_LIMITS) {}

  /** Memory that is reserved for captures now, with that of rings that are being closed, and all memory, in bytes. */
  get memory(): { readonly ringBytes: number; readonly maxRingBytes: number } {
    return { ringBytes: this.usedBytes, maxRingBytes: this.limits.maxBytes };
  }

  /** @returns undefined when the minimum is not available */
  admit(): RingAllotment | undefined {
    const { usualTotalBytes, maxBytes, usualBytes, minBytes } = this.limits;
    const free = usualTotalBytes - this.usedBytes - this.keptFor(this.captures + 1);
    const bytes = Math.max(minBytes, Math.min(usualBytes, free));
    if (this.usedBytes + bytes > maxBytes) return undefined;
    this.captures++;
    this.usedBytes += bytes;
    return new RingAllotment(bytes, this);
  }

  /** Reserves more for an admitted capture. @returns whether that is possible */
  extend(bytes: number): boolean {
    if (bytes > this.remainingBytes) return false;
    this.usedBytes += bytes;
    return true;
  }

  /** What admitted captures may still reserve. */
  get remainingBytes(): number {
    return this.limits.maxBytes - this.usedBytes - this.keptFor(this.captures);
  }

  /**
   * Tries to reserve memory, again and again as long as rings are being closed: the kernel takes up to 50 ms for each, and
   * their memory is in use until then.
   *
   * @param attempt returns undefined when there is no memory
   * @param wanted whether the memory is still needed
   * @returns undefined when there is no memory, or when it is not needed any more
   */
  async whenAvailable<Reservation>(
    attempt: () => Reservation | undefined,
    wanted: () => boolean,
  ): Promise<Reservation | undefined> {
    while (wanted()) {
      const reservation = attempt();
      if (reservation !== undefined || this.closing === 0) return reservation;
      await new Promise<void>((resolve) => this.waiters.push(resolve));
    }
    return undefined;
  }

  /** Takes back a part of a capture's reservation. */
  reduce(bytes: number): void {
    this.usedBytes -= bytes;
  }

  /** The capture has ended: takes back the part of its reservation that its rings do not use. */
  release(bytes: number): void {
    this.captures--;
    this.usedBytes -= bytes;
  }

  /** Counts rings that are being closed: +1 before, -1 when their memory has been returned. */
  countClosing(change: 1 | -1): void {
    this.closing += change;
    if (change === -1) for (const resolve of this.waiters.splice(0)) resolve();
  }

  /** What is guaranteed to the captures that may follow after this number of them. */
  private keptFor(captures: number): number {
    return Math.max(0, this.limits.captures - captures) * this.limits.minBytes;
  }

  /** Counts open rings: +1 for each that is opened, -1 for each that is closed. */
  countRing(change: 1 | -1): void {
    this.rings += change;
  }

  /**
   * The block timeout for one more ring. The kernel runs a timer for each ring, which costs CPU time even when it is
   * idle (200 idle rings at 2 ms took half of a machine with two cores), so latency increases with the number of rings.
   * Small rings need a longer timeout because a few packets would use up each of their few blocks.
   *
   * @param interfaces number of rings that the capture will have: it is read as often as its ring with the shortest timeout
   *   needs it
   */
  blockTimeoutMs(ringBytes: number, interfaces: number): number {
    const rings = Math.max(this.rings, interfaces - 1);
    if (rings >= MANY_RINGS) return 50;
    return rings >= SOME_RINGS || ringBytes < 8 * MIB ? 10 : 4;
  }
}

const SOME_RINGS = 8;
const MANY_RINGS = 32;

/** The ring memory of one capture. */
export class RingAllotment {
  private released = false;
  private rings = 0;
  private ringBytes = 0;
  /** What the budget has reserved for this capture. */
  private reservedBytes: number;

  constructor(
    readonly bytes: number,
    private readonly budget: RingBudget,
  ) {
    this.reservedBytes = bytes;
  }

  /**
   * Reserves a ring, to be returned by `returnRing` when it has been closed. Waits for memory of rings that are being closed.
   *
   * @param interfaces as for `takeRing`
   * @param wanted whether the ring is still needed
   * @returns undefined when there is no memory even for a small ring, or when it is not needed any more
   */
  whenRingAvailable(interfaces: number, wanted: () => boolean): Promise<RingParameters | undefined> {
    return this.budget.whenAvailable(() => this.takeRing(interfaces), wanted);
  }

  /**
   * Reserves a ring, to be returned by `returnRing` when it has been closed.
   *
   * @param interfaces number of interfaces that share the memory of this capture; later ones get smaller rings
   * @returns undefined when there is no memory even for a small ring
   */
  takeRing(interfaces: number): RingParameters | undefined {
    const share = this.bytes / Math.max(1, interfaces, this.rings + 1);
    const fair = Math.max(SMALL_RING_BYTES, Math.floor(share / RING_BLOCK_BYTES) * RING_BLOCK_BYTES);
    // With hundreds of interfaces, a minimal ring for each is better than none for the last ones.
    const enough = interfaces * SMALL_RING_BYTES <= this.reservedBytes + this.budget.remainingBytes;
    const sizes = enough ? [fair, SMALL_RING_BYTES, MIN_RING_BYTES] : [MIN_RING_BYTES];
    const bytes = sizes.find((each) => this.reserve(each));
    if (bytes === undefined) return undefined;
    const blockTimeoutMs = this.budget.blockTimeoutMs(bytes, interfaces);
    this.rings++;
    this.ringBytes += bytes;
    this.budget.countRing(1);
    return { bytes, blockTimeoutMs };
  }

  /** Returns a ring when the kernel has freed its memory. @param closed settles then */
  async returnWhen(closed: Promise<unknown>, ring: RingParameters): Promise<void> {
    this.budget.countClosing(1);
    await closed;
    this.returnRing(ring);
    this.budget.countClosing(-1);
  }

  returnRing({ bytes }: RingParameters): void {
    this.rings--;
    this.ringBytes -= bytes;
    this.budget.countRing(-1);
    const surplus = this.reservedBytes - Math.max(this.released ? 0 : this.bytes, this.ringBytes);
    this.reservedBytes -= surplus;
    this.budget.reduce(surplus);
  }

  /** Must be called when the capture has ended; the memory of its rings remains reserved until they are returned. */
  release(): void {
    if (this.released) return;
    this.released = true;
    this.budget.release(this.reservedBytes - this.ringBytes);
    this.reservedBytes = this.ringBytes;
  }

  /** @returns whether there is memory for one more ring */
  private reserve(bytes: number): boolean {
    const missing = this.ringBytes + bytes - this.reservedBytes;
    if (missing <= 0) return true;
    if (!this.budget.extend(missing)) return false;
    this.reservedBytes += missing;
    return true;
  }
}

/**
 * Minimum time until a ring is full if the timeout hands over each of its blocks, in milliseconds.
 *
 * @param blocks number of blocks of the ring
 */
export function minTimeToFillMs(
  { bytes, blockTimeoutMs }: RingParameters,
  blocks = bytes / RING_BLOCK_BYTES,
): number {
  return blocks * blockTimeoutMs;
}
