import type { BlockBuffer } from '../../shared/pcapng/block-buffer.js';
import { ENHANCED_PACKET_BLOCK, PACKET_CAPTURED_LENGTH_OFFSET } from '../../shared/pcapng/format.js';

/** Entries that have been taken are removed together. */
const COMPACT_AT = 1024;
/** How many places a block may go back in its queue. Packets of an interface are hardly out of order, unless a node lies. */
const MAX_PLACES_BACK = 256;

/** Of one slab; a block that is longer gets one of its own. */
const SLAB_BYTES = 256 * 1024;
/** That are kept to be used again. */
const MAX_SPARE_SLABS = 16;

/** A piece of memory with blocks. */
export class Slab {
  /** Number of its blocks that wait. */
  waiting = 0;
  /** Bytes that are in use. */
  length = 0;

  constructor(readonly bytes: Buffer) {}
}

/** The memory of blocks that wait. It is used again and again: collecting garbage would cost more time than the packets. */
export class SlabMemory {
  private current = newSlab(SLAB_BYTES);
  private readonly spare: Slab[] = [];

  /** Copies bytes into a slab, which is free again as soon as none of its blocks waits. */
  store(bytes: Buffer): Slab {
    if (this.current.waiting === 0) this.current.length = 0;
    if (this.current.length + bytes.length > this.current.bytes.length) {
      const isLong = bytes.length > SLAB_BYTES;
      this.current = (isLong ? undefined : this.spare.pop()) ?? newSlab(Math.max(bytes.length, SLAB_BYTES));
    }
    bytes.copy(this.current.bytes, this.current.length);
    this.current.length += bytes.length;
    return this.current;
  }

  /** None of its blocks waits any more. */
  release(slab: Slab): void {
    if (slab === this.current || slab.bytes.length !== SLAB_BYTES) return;
    slab.length = 0;
    if (this.spare.length < MAX_SPARE_SLABS) this.spare.push(slab);
  }
}

function newSlab(length: number): Slab {
  return new Slab(Buffer.allocUnsafeSlow(length));
}

/** Blocks of one interface that wait, in order of time. The arrays have one element for each block. */
export class BlockQueue {
  private readonly times: number[] = [];
  private readonly slabs: Slab[] = [];
  private readonly offsets: number[] = [];
  private readonly lengths: number[] = [];
  /** Index of the first block that has not been taken. */
  private head = 0;
  /** Place in the heap of PacketMerge. */
  place = -1;

  get isEmpty(): boolean {
    return this.head === this.times.length;
  }

  /** Time of the first block. */
  get time(): number {
    return this.times[this.head] ?? Infinity;
  }

  /** @param time of the block; blocks that arrive a little out of order are put in order */
  push(time: number, slab: Slab, offset: number, length: number): void {
    const { times } = this;
    const first = Math.max(this.head, times.length - MAX_PLACES_BACK);
    let at = times.length;
    while (at > first && times[at - 1]! > time) at--;
    if (at > this.head) time = Math.max(time, times[at - 1]!);
    if (at === times.length) {
      times.push(time);
      this.slabs.push(slab);
      this.offsets.push(offset);
      this.lengths.push(length);
    } else {
      times.splice(at, 0, time);
      this.slabs.splice(at, 0, slab);
      this.offsets.splice(at, 0, offset);
      this.lengths.splice(at, 0, length);
    }
  }

  /**
   * Moves blocks to a buffer, as long as they are not later than `until` and there is room. Neighbours are copied together.
   *
   * @param onFree called with each slab of which no block waits any more
   */
  moveTo(out: BlockBuffer, until: number, onFree: (slab: Slab) => void): void {
    const { times, slabs, offsets, lengths } = this;
    const end = times.length;
    let at = this.head;
    while (at < end && times[at]! <= until) {
      const slab = slabs[at]!;
      const from = offsets[at]!;
      const first = at;
      let to = from;
      while (
        at < end &&
        slabs[at] === slab &&
        offsets[at] === to &&
        times[at]! <= until &&
        out.hasRoomAt(out.length + to - from, lengths[at]!)
      ) {
        count(out, slab.bytes, to);
        to += lengths[at++]!;
      }
      if (to === from) break; // there is no room
      slab.bytes.copy(out.bytes, out.length, from, to);
      out.length += to - from;
      slab.waiting -= at - first;
      if (slab.waiting === 0) onFree(slab);
    }
    this.head = at;
    if (at === end) this.clear();
    else if (at > COMPACT_AT && at > end >>> 1) this.compact();
  }

  clear(): void {
    this.head = this.times.length = this.slabs.length = this.offsets.length = this.lengths.length = 0;
  }

  private compact(): void {
    for (const each of [this.times, this.slabs, this.offsets, this.lengths]) each.splice(0, this.head);
    this.head = 0;
  }
}

/** Counts a block in the buffer that it is moved to. */
function count(out: BlockBuffer, bytes: Buffer, offset: number): void {
  if (bytes[offset] !== ENHANCED_PACKET_BLOCK) return;
  out.packets++;
  out.packetBytes += bytes.readUInt32LE(offset + PACKET_CAPTURED_LENGTH_OFFSET);
}

/** Merges the blocks of many interfaces in order of time: a binary heap of those that have blocks, the earliest first. */
export class PacketMerge {
  private readonly heap: BlockQueue[] = [];
  private readonly memory = new SlabMemory();
  /** Memory of the blocks that wait, in bytes. */
  heldBytes = 0;

  /** Time of the earliest block; infinite: none waits. */
  get time(): number {
    return this.heap[0]?.time ?? Infinity;
  }

  push(queue: BlockQueue, time: number, slab: Slab, offset: number, length: number): void {
    if (slab.waiting++ === 0) this.heldBytes += slab.bytes.length;
    const isEarlier = time < queue.time;
    queue.push(time, slab, offset, length);
    if (queue.place < 0) {
      queue.place = this.heap.length;
      this.heap.push(queue);
    }
    if (isEarlier) this.rise(queue);
  }

  /** Copies bytes to where their blocks can wait. @returns the slab, whose last bytes they are */
  store(bytes: Buffer): Slab {
    return this.memory.store(bytes);
  }

  /** Moves blocks that are not later than `until` to a buffer. @returns whether the buffer is full */
  moveTo(out: BlockBuffer, until: number): boolean {
    const { heap } = this;
    for (let first = heap[0]; first && first.time <= until; first = heap[0]) {
      const next = Math.min(until, heap[1]?.time ?? Infinity, heap[2]?.time ?? Infinity);
      const { length } = out;
      first.moveTo(out, next, this.onFree);
      if (out.length === length) return true;
      if (first.isEmpty) this.removeFirst();
      else this.sink(first);
    }
    return false;
  }

  clear(): void {
    for (const queue of this.heap) {
      queue.clear();
      queue.place = -1;
    }
    this.heap.length = 0;
    this.heldBytes = 0;
  }

  private readonly onFree = (slab: Slab): void => {
    this.heldBytes -= slab.bytes.length;
    this.memory.release(slab);
  };

  private removeFirst(): void {
    const [first] = this.heap;
    const last = this.heap.pop();
    if (first) first.place = -1;
    if (!last || last === first) return;
    this.put(last, 0);
    this.sink(last);
  }

  private rise(queue: BlockQueue): void {
    for (let { place } = queue; place > 0; place = queue.place) {
      const parent = this.heap[(place - 1) >>> 1]!;
      if (parent.time <= queue.time) return;
      this.put(parent, place);
      this.put(queue, (place - 1) >>> 1);
    }
  }

  private sink(queue: BlockQueue): void {
    for (;;) {
      const left = 2 * queue.place + 1;
      const earlier =
        (this.heap[left + 1]?.time ?? Infinity) < (this.heap[left]?.time ?? Infinity) ? left + 1 : left;
      const child = this.heap[earlier];
      if (!child || child.time >= queue.time) return;
      const { place } = queue;
      this.put(child, place);
      this.put(queue, earlier);
    }
  }

  private put(queue: BlockQueue, place: number): void {
    this.heap[place] = queue;
    queue.place = place;
  }
}
