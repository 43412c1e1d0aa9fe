import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
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
import { Message } from './packet-merge.js';

/** A packet has at most 256 KiB; nodes send nothing longer. */
export const MAX_BLOCK_BYTES = 512 * 1024;
/** More than the interfaces of any namespace. */
const MAX_INTERFACES = 65_536;

/** See opt_endofopt of pcapng. */
const END_OF_OPTIONS = 0;

const PING_MS = 5_000;
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
  /** A packet. The observer may change and keep the message. */
  onPacket(interfaceId: number, message: Message, offset: number, length: number): void;
  onStatistics(interfaceId: number, statistics: Statistics): void;
  /** Called once; nothing follows. */
  onEnd(end: NodeStreamEnd): void;
}

class BrokenStreamError extends Error {}

/** The stream of a capture at a node, which is not trusted: every length is checked, and what is not expected ends it. */
export class NodeStream {
  /** The pieces of a block that goes on in the next message, and how many bytes it takes to go on. */
  private pieces: Buffer[] = [];
  private pieceBytes = 0;
  private wantedBytes = MIN_BLOCK_BYTES;
  private hasSection = false;
  private interfaces = 0;
  private ended = false;
  private lastPongMs = performance.now();
  private readonly pings: NodeJS.Timeout;

  constructor(
    private readonly socket: WebSocket,
    private readonly observer: NodeStreamObserver,
  ) {
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary && !this.ended) this.read(data);
    });
    socket.on('unexpected-response', (_request: unknown, response: IncomingMessage) => {
      response.destroy();
      this.end({ kind: 'refused', message: statusMessage(response.statusCode) });
      socket.terminate();
    });
    socket.on('error', (error) => {
      this.end({ kind: 'lost', message: asNodeError(error).message });
      socket.terminate();
    });
    socket.on('close', (code: number, reason: Buffer) => {
      if (code === 1006) this.end({ kind: 'lost', message: 'the connection broke' });
      else this.end({ kind: 'closed', code, reason: reason.toString() });
    });
    socket.on('pong', () => (this.lastPongMs = performance.now()));
    this.pings = setInterval(() => this.ping(), PING_MS).unref();
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
    if (this.ended) return;
    this.ended = true;
    clearInterval(this.pings);
    this.pieces = [];
    this.socket.resume(); // the answer to the close must be read
    this.socket.close(1000);
  }

  private ping(): void {
    if (this.socket.readyState !== this.socket.OPEN || this.socket.isPaused) return;
    if (performance.now() - this.lastPongMs > PONG_TIMEOUT_MS) {
      this.end({ kind: 'lost', message: 'it does not answer' });
      this.socket.terminate();
    } else {
      this.socket.ping();
    }
  }

  private end(end: NodeStreamEnd): void {
    if (this.ended) return;
    this.ended = true;
    clearInterval(this.pings);
    this.pieces = [];
    this.observer.onEnd(end);
  }

  private read(data: Buffer): void {
    try {
      this.pieces.push(data);
      this.pieceBytes += data.length;
      if (this.pieceBytes < this.wantedBytes) return;
      const message = this.pieces.length > 1 ? Buffer.concat(this.pieces) : data;
      const end = this.readBlocks(new Message(message));
      const rest = message.subarray(end);
      this.pieces = rest.length > 0 ? [rest] : [];
      this.pieceBytes = rest.length;
      this.wantedBytes =
        rest.length < MIN_BLOCK_BYTES ? MIN_BLOCK_BYTES : rest.readUInt32LE(TOTAL_LENGTH_OFFSET);
    } catch (error) {
      if (!(error instanceof BrokenStreamError)) throw error;
      this.end({ kind: 'broken', message: error.message });
      this.socket.terminate();
    }
  }

  /** @returns offset of the first block that is not complete */
  private readBlocks(whole: Message): number {
    const message = whole.bytes;
    let offset = 0;
    while (message.length - offset >= MIN_BLOCK_BYTES && !this.ended) {
      const type = message.readUInt32LE(offset);
      const length = message.readUInt32LE(offset + TOTAL_LENGTH_OFFSET);
      if (!this.hasSection) this.expectSection(type, message, offset);
      if (length < MIN_BLOCK_BYTES || length > MAX_BLOCK_BYTES || length % 4 !== 0) {
        throw new BrokenStreamError(`it sent a block of ${length} bytes`);
      }
      if (length > message.length - offset) break;
      if (message.readUInt32LE(offset + length - 4) !== length) {
        throw new BrokenStreamError('it sent a block whose two lengths differ');
      }
      if (type === ENHANCED_PACKET_BLOCK) this.readPacket(whole, offset, length);
      else this.readOther(type, message.subarray(offset, offset + length));
      offset += length;
    }
    return offset;
  }

  private expectSection(type: number, message: Buffer, offset: number): void {
    const magic = message.readUInt32LE(offset + BYTE_ORDER_OFFSET);
    if (type !== SECTION_HEADER_BLOCK || magic !== BYTE_ORDER_MAGIC) {
      throw new BrokenStreamError('its stream is not pcapng');
    }
  }

  private readPacket(whole: Message, offset: number, length: number): void {
    const message = whole.bytes;
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
    this.observer.onPacket(id, whole, offset, length);
  }

  private readOther(type: number, block: Buffer): void {
    switch (type) {
      case SECTION_HEADER_BLOCK:
        if (this.hasSection) throw new BrokenStreamError('it began a second section');
        this.hasSection = true;
        return this.observer.onStarted();
      case INTERFACE_DESCRIPTION_BLOCK: {
        const description = readInterfaceDescription(block);
        if (!description) throw new BrokenStreamError('it described an interface in a way that nodes do not');
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
