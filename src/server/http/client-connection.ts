import { fstatSync } from 'node:fs';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { ClientSocket } from '../../shared/protocol/protocol.js';
import { descriptorOf } from '../../shared/socket-descriptor.js';

/**
 * Writes bytes into the socket in the name of this process. It is called again only after `noteWritten`.
 *
 * @param last nothing may follow
 */
export type RemoteWriter = (bytes: Buffer, last: boolean) => void;

/** RFC 6455, 5.2. */
const OPCODE_CLOSE = 8;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/** Bytes on their way to the client. */
interface Outgoing {
  readonly bytes: Buffer;
  readonly callback: (error?: Error | null) => void;
}

/**
 * The connection of a client. It can be lent to another process, which then is the only writer of the socket: what this
 * process writes meanwhile (control frames) goes there, and is written between two of its messages. Reading stays here.
 */
export class ClientConnection extends Duplex {
  private lent = false;
  private writer?: RemoteWriter;
  /** Written while the connection is lent, and not in the socket yet. */
  private outgoing?: Outgoing;
  private inProgressBytes = 0;
  private reading = true;
  private sentByOthers = { bytes: 0, waiting: false };

  /**
   * @param socket is destroyed with this, and this with it
   * @param framing of the stream; `plain`: what arrives is left to the HTTP server
   */
  constructor(
    readonly socket: Socket,
    readonly framing: ClientSocket['framing'] = 'websocket',
  ) {
    super();
    if (framing === 'websocket') {
      socket.on('data', (chunk: Buffer) => {
        if (!this.push(chunk)) socket.pause();
      });
      socket.on('end', () => this.push(null));
    }
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
  }

  /** Bytes received since the connection was opened. */
  get receivedBytes(): number {
    return this.socket.bytesRead;
  }

  /** Bytes that the kernel has accepted for sending since then; they may still be in its buffer. */
  get acceptedBytes(): number {
    return this.socket.bytesWritten - this.socket.writableLength + this.sentByOthers.bytes;
  }

  /** Bytes that wait until the kernel accepts them; at least 1 if another process has any. */
  get waitingBytes(): number {
    // A write that is in progress counts in both streams.
    const behind = this.writableLength - (this.lent ? 0 : this.inProgressBytes);
    return this.socket.writableLength + behind + Number(this.sentByOthers.waiting);
  }

  /**
   * Lends the connection: from now on this process writes nothing to the socket until `takeBack`.
   *
   * @returns the number of the descriptor, the inode of the socket, and how to write the stream; undefined when it cannot be
   *   lent, because bytes wait or it is closed
   */
  lend(): Omit<ClientSocket, 'maxMessageBytes'> | undefined {
    const descriptor = descriptorOf(this.socket);
    const waits = this.writableLength > 0 || this.socket.writableLength > 0;
    if (descriptor === undefined || waits || this.destroyed) return undefined;
    this.lent = true;
    return { descriptor, inode: fstatSync(descriptor).ino, framing: this.framing };
  }

  /** The borrower has begun to write, and accepts bytes of this process. */
  writeThrough(writer: RemoteWriter): void {
    this.writer = writer;
    this.writeOutgoing();
  }

  /** What the borrower has written so far, and whether bytes wait there. */
  noteProgress(sentBytes: number, waiting: boolean): void {
    this.sentByOthers = { bytes: sentBytes, waiting };
  }

  /** The borrower has written the bytes of this process that it got last. */
  noteWritten(): void {
    const { outgoing } = this;
    this.outgoing = undefined;
    outgoing?.callback();
  }

  /** The borrower has stopped writing between two messages: this process writes again. */
  takeBack(): void {
    if (!this.lent) return;
    this.lent = false;
    this.writer = undefined;
    this.sentByOthers.waiting = false;
    const { outgoing } = this;
    this.outgoing = undefined;
    if (outgoing) this.writeToSocket([outgoing.bytes], outgoing.callback);
  }

  /** Reads nothing more: what the client sends stays in the kernel, which makes the client wait. */
  stopReading(): void {
    this.reading = false;
    this.socket.pause();
  }

  /** Whether it has been lent and not taken back yet. */
  get isLent(): boolean {
    return this.lent;
  }

  /** See net.Socket; ws calls both. */
  setTimeout(milliseconds: number): void {
    this.socket.setTimeout(milliseconds);
  }

  setNoDelay(): void {
    this.socket.setNoDelay();
  }

  override _read(): void {
    if (this.reading) this.socket.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, callback: Outgoing['callback']): void {
    if (!this.lent) {
      this.writeToSocket([bytes], callback);
      return;
    }
    this.outgoing = { bytes, callback };
    this.writeOutgoing();
  }

  /** ws writes header and payload of a frame separately: they must stay together. */
  override _writev(chunks: { readonly chunk: Buffer }[], callback: Outgoing['callback']): void {
    if (!this.lent)
      this.writeToSocket(
        chunks.map(({ chunk }) => chunk),
        callback,
      );
    else this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.socket.end(callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.outgoing = undefined;
    // A borrower has a descriptor of its own, which would keep the connection open: this one ends it for both.
    if (this.lent && !this.socket.destroyed) this.socket.destroySoon();
    else this.socket.destroy();
    callback(error);
  }

  /** Writes all of it at once, without a copy. */
  private writeToSocket(pieces: readonly Buffer[], callback: Outgoing['callback']): void {
    const { socket } = this;
    this.inProgressBytes = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
    socket.cork();
    for (const [index, piece] of pieces.entries()) {
      if (index < pieces.length - 1) socket.write(piece);
      else
        socket.write(piece, (error) => {
          this.inProgressBytes = 0;
          callback(error);
        });
    }
    socket.uncork();
  }

  private writeOutgoing(): void {
    if (this.outgoing) this.writer?.(this.outgoing.bytes, hasCloseFrame(this.outgoing.bytes));
  }
}

/** @param frames whole frames as a server sends them, without masks */
function hasCloseFrame(frames: Buffer): boolean {
  for (let at = 0; at + 2 <= frames.length;) {
    if ((frames.readUInt8(at) & 0x0f) === OPCODE_CLOSE) return true;
    const length = frames.readUInt8(at + 1);
    if (length === LENGTH_64) at += 10 + Number(frames.readBigUInt64BE(at + 2));
    else if (length === LENGTH_16) at += 4 + frames.readUInt16BE(at + 2);
    else at += 2 + length;
  }
  return false;
}
