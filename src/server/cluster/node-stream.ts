import {
  BYTE_ORDER_MAGIC,
  BYTE_ORDER_OFFSET,
  ENHANCED_PACKET_BLOCK,
  INTERFACE_DESCRIPTION_BLOCK,
  INTERFACE_STATISTICS_BLOCK,
  MIN_BLOCK_BYTES,
  packetBlockLength,
  PACKET_CAPTURED_LENGTH_OFFSET,
  PACKET_INTERFACE_OFFSET,
  PACKET_ORIGINAL_LENGTH_OFFSET,
  paddedLength,
  SECTION_HEADER_BLOCK,
  TOTAL_LENGTH_OFFSET,
} from '../../shared/pcapng/format.js';
import {
  readInterfaceDescription,
  readStatistics,
  type InterfaceDescription,
  type Statistics,
} from '../../shared/pcapng/blocks.js';
import { asNodeError, statusMessage } from './node-client.js';
import { NodeSocket, type NodeSocketRequest } from './node-socket.js';
import type { Slab } from './packet-merge.js';

/** A packet has at most 256 KiB; nodes send nothing longer. */
export const MAX_BLOCK_BYTES = 512 * 1024;
/** More than the interfaces of any namespace. */
const MAX_INTERFACES = 65_536;
/** The kernel has 15 bytes. */
const MAX_NAME_CHARACTERS = 256;

/** See opt_endofopt of pcapng. */
const END_OF_OPTIONS = 0;

/** Usually the rest is a part of one packet. */
const REST_BYTES = 4 * 1024;

const PING_MS = 5_000;
/** A node waits for its engine for 10 s at most. */
const START_MS = 15_000;
/** A node that has not answered two of them hangs. */
const PONG_TIMEOUT_MS = 11_000;

/** How the stream of a node ended. */
export type NodeStreamEnd =
  /** By the service of the node, with the code and the reason of the websocket's close. */
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  /** The service does not accept the request. */
  | { readonly kind: 'refused'; readonly message: string }
  /** The connection could not be made, or broke, or the node hangs. */
  | { readonly kind: 'lost'; readonly message: string }
  /** What it sends is not what a node sends. */
  | { readonly kind: 'broken'; readonly message: string };

/** Receives the blocks of a stream. */
export interface NodeStreamObserver {
  /** The capture runs at the node. */
  onStarted(): void;
  /** An interface, whose id is the number of those before it. */
  onInterface(description: InterfaceDescription): void;
  /** Copies bytes to where their packets can wait. @returns the slab, whose last bytes they are */
  store(bytes: Buffer): Slab;
  /** A packet in a slab. The observer may change it. */
  onPacket(interfaceId: number, slab: Slab, offset: number, length: number): void;
  onStatistics(interfaceId: number, statistics: Statistics): void;
  /** Called once; nothing follows. */
  onEnd(end: NodeStreamEnd): void;
}

class BrokenStreamError extends Error {}

/** The stream of a capture at a node, which is not trusted: every length is checked, and what is not expected ends it. */
export class NodeStream {
  private readonly socket: NodeSocket;
  /** The beginning of a block that goes on in the next bytes. */
  private rest = Buffer.alloc(REST_BYTES);
  private restLength = 0;
  private hasSection = false;
  private interfaces = 0;
  private ended = false;
  private lastPongMs = performance.now();
  private readonly pings: NodeJS.Timeout;
  private readonly startTimer: NodeJS.Timeout;

  constructor(
    request: NodeSocketRequest,
    private readonly observer: NodeStreamObserver,
  ) {
    this.socket = new NodeSocket(request, {
      onData: (bytes) => this.read(bytes),
      onPong: () => (this.lastPongMs = performance.now()),
      onRefused: (status) => this.end({ kind: 'refused', message: statusMessage(status) }),
      onClosed: (code, reason) => this.end({ kind: 'closed', code, reason }),
      onLost: (error) =>
        this.end({ kind: 'lost', message: error ? asNodeError(error).message : 'the connection broke' }),
    });
    this.pings = setInterval(() => this.ping(), PING_MS).unref();
    this.startTimer = setTimeout(() => {
      if (this.socket.isPaused) this.startTimer.refresh();
      else this.lose(`it did not begin within ${START_MS / 1000} s`);
    }, START_MS);
  }

  /** See NodeSocket. */
  set readsInTicks(readsInTicks: boolean) {
    this.socket.readsInTicks = readsInTicks;
  }

  /** Reads nothing until `resume`. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.lastPongMs = performance.now();
    this.socket.resume();
  }

  /** Ends the capture at the node; `onEnd` is not called. */
  close(): void {
    this.stop();
    this.socket.close(1000);
  }

  private ping(): void {
    if (!this.socket.isOpen || this.socket.isPaused) return;
    if (performance.now() - this.lastPongMs <= PONG_TIMEOUT_MS) return this.socket.ping();
    this.lose('it does not answer');
  }

  private lose(message: string): void {
    this.socket.terminate();
    this.end({ kind: 'lost', message });
  }

  private stop(): void {
    this.ended = true;
    clearInterval(this.pings);
    clearTimeout(this.startTimer);
  }

  private end(end: NodeStreamEnd): void {
    if (this.ended) return;
    this.stop();
    this.observer.onEnd(end);
  }

  private read(bytes: Buffer): void {
    if (this.ended) return;
    try {
      let at = 0;
      while (this.restLength > 0 && at < bytes.length) at = this.completeRest(bytes, at);
      if (at < bytes.length) this.readBlocks(bytes.subarray(at));
    } catch (error) {
      if (!(error instanceof BrokenStreamError)) throw error;
      this.socket.terminate();
      this.end({ kind: 'broken', message: error.message });
    }
  }

  /** @returns offset of what follows the bytes that belong to the rest */
  private completeRest(bytes: Buffer, at: number): number {
    const wanted = this.restLength < MIN_BLOCK_BYTES ? MIN_BLOCK_BYTES : this.lengthOfBlock(this.rest, 0);
    if (wanted > this.rest.length) {
      const longer = Buffer.alloc(wanted);
      this.rest.copy(longer, 0, 0, this.restLength);
      this.rest = longer;
    }
    const end = Math.min(bytes.length, at + wanted - this.restLength);
    bytes.copy(this.rest, this.restLength, at, end);
    this.restLength += end - at;
    if (this.restLength < MIN_BLOCK_BYTES || this.restLength < this.lengthOfBlock(this.rest, 0)) return end;
    const { rest, restLength } = this;
    this.restLength = 0;
    this.rest = rest.length > REST_BYTES ? Buffer.alloc(REST_BYTES) : rest;
    this.readBlocks(rest.subarray(0, restLength));
    return end;
  }

  private readBlocks(given: Buffer): void {
    const slab = this.observer.store(given);
    const { bytes, length: end } = slab;
    let at = end - given.length;
    while (end - at >= MIN_BLOCK_BYTES && !this.ended) {
      const length = this.lengthOfBlock(bytes, at);
      if (length > end - at) break;
      if (bytes.readUInt32LE(at + length - 4) !== length) {
        throw new BrokenStreamError('it sent a block whose two lengths differ');
      }
      const type = bytes.readUInt32LE(at);
      if (type === ENHANCED_PACKET_BLOCK) this.readPacket(slab, at, length);
      else this.readOther(type, bytes.subarray(at, at + length));
      at += length;
    }
    if (at === end || this.ended) return;
    if (end - at > this.rest.length) this.rest = Buffer.alloc(end - at);
    this.restLength = bytes.copy(this.rest, 0, at, end);
  }

  /** @throws BrokenStreamError */
  private lengthOfBlock(bytes: Buffer, at: number): number {
    if (!this.hasSection) this.expectSection(bytes.readUInt32LE(at), bytes, at);
    const length = bytes.readUInt32LE(at + TOTAL_LENGTH_OFFSET);
    if (length >= MIN_BLOCK_BYTES && length <= MAX_BLOCK_BYTES && length % 4 === 0) return length;
    throw new BrokenStreamError(`it sent a block of ${length} bytes`);
  }

  private expectSection(type: number, message: Buffer, offset: number): void {
    const magic = message.readUInt32LE(offset + BYTE_ORDER_OFFSET);
    if (type !== SECTION_HEADER_BLOCK || magic !== BYTE_ORDER_MAGIC) {
      throw new BrokenStreamError('its stream is not pcapng');
    }
  }

  private readPacket(slab: Slab, offset: number, length: number): void {
    const message = slab.bytes;
    const id = message.readUInt32LE(offset + PACKET_INTERFACE_OFFSET);
    if (length < packetBlockLength(0) || id >= this.interfaces) {
      throw new BrokenStreamError('it sent a packet of an interface that it has not described');
    }
    const captured = message.readUInt32LE(offset + PACKET_CAPTURED_LENGTH_OFFSET);
    if (captured > length || packetBlockLength(captured) > length) {
      throw new BrokenStreamError('it sent a packet that is longer than its block');
    }
    if (captured > message.readUInt32LE(offset + PACKET_ORIGINAL_LENGTH_OFFSET)) {
      throw new BrokenStreamError('it sent a packet of which more is captured than there was');
    }
    // They go to the client as they are, who may read nothing after a block that is not valid.
    const optionsLength = length - packetBlockLength(captured);
    if (optionsLength > 0 && !areOptions(message, offset + length - 4 - optionsLength, optionsLength)) {
      throw new BrokenStreamError('it sent a packet with options that are not valid');
    }
    this.observer.onPacket(id, slab, offset, length);
  }

  private readOther(type: number, block: Buffer): void {
    switch (type) {
      case SECTION_HEADER_BLOCK:
        if (this.hasSection) throw new BrokenStreamError('it began a second section');
        this.hasSection = true;
        clearTimeout(this.startTimer);
        return this.observer.onStarted();
      case INTERFACE_DESCRIPTION_BLOCK: {
        const description = readInterfaceDescription(block);
        if (!description || description.name.length > MAX_NAME_CHARACTERS)
          throw new BrokenStreamError('it described an interface in a way that nodes do not');
        if (++this.interfaces > MAX_INTERFACES) throw new BrokenStreamError('it has too many interfaces');
        return this.observer.onInterface(description);
      }
      case INTERFACE_STATISTICS_BLOCK: {
        const statistics = readStatistics(block);
        if (!statistics || statistics.interfaceId >= this.interfaces) {
          throw new BrokenStreamError('it sent statistics of an interface that it has not described');
        }
        return this.observer.onStatistics(statistics.interfaceId, statistics);
      }
      default:
      // A newer node may send other blocks: without them, everything else is as it should be.
    }
  }
}

/** Whether these bytes are the options of a block, and nothing follows the end of the options. */
function areOptions(bytes: Buffer, begin: number, length: number): boolean {
  const end = begin + length;
  for (let at = begin; at < end;) {
    const code = bytes.readUInt16LE(at);
    const valueLength = bytes.readUInt16LE(at + 2);
    at += 4 + paddedLength(valueLength);
    if (code === END_OF_OPTIONS) return valueLength === 0 && at === end;
  }
  return false;
}
