import type { BlockBuffer } from '../../shared/pcapng/block-buffer.js';
import { ENHANCED_PACKET_BLOCK, PACKET_CAPTURED_LENGTH_OFFSET } from '../../shared/pcapng/format.js';

/** Entries that have been taken are removed together. */
const COMPACT_AT = 1024;

/** A message of a node, which is kept as long as one of its blocks waits. */
export class Message {
  /** Number of its blocks that wait. */
  waiting = 0;

  constructor(readonly bytes: Buffer) {}
}

/** Blocks of one interface that wait, in order of time. The arrays have one element for each block. */
export class BlockQueue {
  private readonly times: number[] = [];
  private readonly messages: Message[] = [];
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
  push(time: number, message: Message, offset: number, length: number): void {
    const { times, head } = this;
    let at = times.length;
    while (at > head && times[at - 1]! > time) at--;
    if (at === times.length) {
      times.push(time);
      this.messages.push(message);
      this.offsets.push(offset);
      this.lengths.push(length);
    } else {
      times.splice(at, 0, time);
      this.messages.splice(at, 0, message);
      this.offsets.splice(at, 0, offset);
      this.lengths.splice(at, 0, length);
    }
  }

  /**
   * Moves blocks to a buffer, as long as they are not later than `until` and there is room. Neighbours in a message are copied
   * together.
   *
   * @returns bytes of the messages of which no block waits any more
   */
  moveTo(out: BlockBuffer, until: number): number {
    const { times, messages, offsets, lengths } = this;
    let freedBytes = 0;
    const end = times.length;
    let at = this.head;
    while (at < end && times[at]! <= until) {
      const message = messages[at]!;
      const from = offsets[at]!;
      const first = at;
      let to = from;
      while (
        at < end &&
        messages[at] === message &&
        offsets[at] === to &&
        times[at]! <= until &&
        out.hasRoomAt(out.length + to - from, lengths[at]!)
      ) {
        count(out, message.bytes, to);
        to += lengths[at++]!;
      }
      if (to === from) break; // there is no room
      message.bytes.copy(out.bytes, out.length, from, to);
      out.length += to - from;
      message.waiting -= at - first;
      if (message.waiting === 0) freedBytes += message.bytes.length;
    }
    this.head = at;
    if (at === end) this.clear();
    else if (at > COMPACT_AT && at > end >>> 1) this.compact();
    return freedBytes;
  }

  clear(): void {
    this.head = this.times.length = this.messages.length = this.offsets.length = this.lengths.length = 0;
  }

  private compact(): void {
    for (const each of [this.times, this.messages, this.offsets, this.lengths]) each.splice(0, this.head);
    this.head = 0;
  }
}

/** Counts a block in the buffer that it is moved to. */
function count(out: BlockBuffer, message: Buffer, offset: number): void {
  if (message[offset] !== ENHANCED_PACKET_BLOCK) return;
  out.packets++;
  out.packetBytes += message.readUInt32LE(offset + PACKET_CAPTURED_LENGTH_OFFSET);
}

/** Merges the blocks of many interfaces in order of time: a binary heap of those that have blocks, the earliest first. */
export class PacketMerge {
  private readonly heap: BlockQueue[] = [];
  /** Bytes of all messages that have blocks which wait. */
  heldBytes = 0;

  /** Time of the earliest block; infinite: none waits. */
  get time(): number {
    return this.heap[0]?.time ?? Infinity;
  }

  push(queue: BlockQueue, time: number, message: Message, offset: number, length: number): void {
    if (message.waiting++ === 0) this.heldBytes += message.bytes.length;
    const isEarlier = time < queue.time;
    queue.push(time, message, offset, length);
    if (queue.place < 0) {
      queue.place = this.heap.length;
      this.heap.push(queue);
    }
    if (isEarlier) this.rise(queue);
  }

  /** Moves blocks that are not later than `until` to a buffer. @returns whether the buffer is full */
  moveTo(out: BlockBuffer, until: number): boolean {
    const { heap } = this;
    for (let first = heap[0]; first && first.time <= until; first = heap[0]) {
      const next = Math.min(until, heap[1]?.time ?? Infinity, heap[2]?.time ?? Infinity);
      const { length } = out;
      this.heldBytes -= first.moveTo(out, next);
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
