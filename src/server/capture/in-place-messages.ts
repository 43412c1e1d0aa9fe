import type { Socket } from 'node:net';

/** RFC 6455, 5.2: FIN, and the opcode of a binary message. */
const FINAL_BINARY = 0x82;
/** Lengths from here on are told in 16 bits, then in 64; these values announce it. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;

const NOTHING = Buffer.alloc(0);

/**
 * Sends binary websocket messages whose headers are put into memory right before the payload.
 *
 * `WebSocket.send` writes two buffers, header and payload, and calls back: a long way through Node, whose code is cold
 * every time at 50 messages a second. A third of the server's CPU went there, see docs/adr/0012. This is one write of
 * one buffer, which is waited for only when the kernel has not taken it at once. Frames of ws itself (ping, pong, close)
 * go out whole, so both may write to the same socket, as long as nothing is compressed.
 */
export class InPlaceMessages {
  /** @param socket below the websocket */
  constructor(private readonly socket: Socket) {}

  /**
   * Sends what is in `memory` from `start` to `end`, and overwrites up to 10 bytes before it.
   *
   * @returns true when the kernel has taken it all; otherwise a promise of whether it did before the connection was gone.
   *   Until it settles the memory is in use.
   */
  send(memory: Buffer, start: number, end: number): true | Promise<boolean> {
    const { socket } = this;
    socket.write(memory.subarray(writeHeader(memory, start, end - start), end));
    if (socket.writableLength === 0) return true;
    return new Promise((resolve) => socket.write(NOTHING, (error) => resolve(!error)));
  }
}

/** @returns where the header begins */
function writeHeader(memory: Buffer, end: number, payloadBytes: number): number {
  let start: number;
  if (payloadBytes < LENGTH_16) {
    start = end - 2;
    memory[start + 1] = payloadBytes;
  } else if (payloadBytes <= 0xffff) {
    start = end - 4;
    memory[start + 1] = LENGTH_16;
    memory.writeUInt16BE(payloadBytes, start + 2);
  } else {
    start = end - 10;
    memory[start + 1] = LENGTH_64;
    memory.writeUInt32BE(0, start + 2); // no message of ours is that long
    memory.writeUInt32BE(payloadBytes, start + 6);
  }
  memory[start] = FINAL_BINARY;
  return start;
}
