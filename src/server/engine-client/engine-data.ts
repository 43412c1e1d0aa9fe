import { connect, type Socket } from 'node:net';
import { HEADER_ROOM_BYTES, type TakePiece } from '../capture/capture-provider.js';

/** Where the pcapng of a capture comes from. */
export interface DataSource {
  /** Of the engine's unix socket. */
  readonly path: string;
  /** The line that says which capture it is for. */
  readonly greeting: string;
  /** Most that is read at once. */
  readonly mostBytes: number;
}

/**
 * The data connection of a capture. Nothing is read ahead: the next piece is taken out of it when the last one is done
 * with, always into the same memory, and what is not taken makes the engine wait.
 */
export class EngineData {
  private readonly socket: Socket;
  private readonly memory: Buffer;
  private take?: TakePiece;
  private onUnwanted?: () => void;
  /** Bytes that came before anybody took them. */
  private untaken = 0;

  /** @param onClosed called once, when nothing more will come */
  constructor({ path, greeting, mostBytes }: DataSource, onClosed: () => void) {
    this.memory = Buffer.allocUnsafeSlow(HEADER_ROOM_BYTES + mostBytes);
    this.socket = connect({
      path,
      onread: { buffer: this.memory.subarray(HEADER_ROOM_BYTES), callback: (bytes) => this.onRead(bytes) },
    });
    this.socket.write(greeting);
    this.socket.on('error', () => undefined); // 'close' follows
    this.socket.on('close', onClosed);
  }

  /**
   * Hands over all that comes from now on.
   *
   * @param onUnwanted called when `take` wants no more
   */
  deliver(take: TakePiece, onUnwanted: () => void): void {
    this.take = take;
    this.onUnwanted = onUnwanted;
    const bytes = this.untaken;
    this.untaken = 0;
    if (bytes === 0 || this.onRead(bytes)) this.socket.resume();
  }

  /** Nobody wants it any more: the engine notices. */
  destroy(): void {
    this.socket.destroy();
  }

  /**
   * To pause and resume costs system calls, so the socket goes on by itself as long as pieces are done with at once.
   *
   * @returns whether to go on reading
   */
  private onRead(bytes: number): boolean {
    if (!this.take) {
      this.untaken = bytes;
      return false;
    }
    const wantsMore = this.take(this.memory, HEADER_ROOM_BYTES, HEADER_ROOM_BYTES + bytes);
    if (wantsMore === true) return true;
    if (wantsMore === false) this.onUnwanted?.();
    else void wantsMore.then((more) => (more ? this.socket.resume() : this.onUnwanted?.()));
    return false;
  }
}
