import type { Socket } from 'node:net';

/** RFC 6455, 5.2: FIN, and the opcode of a binary message. */
const FINAL_BINARY = 0x82;
/** Values of the length field that announce a length of 16 bits, and of 64 bits. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;

const NOTHING = Buffer.alloc(0);

/**
 * Sends binary websocket messages whose headers are written to memory directly before the payload.
 *
 * `WebSocket.send` writes two buffers, header and payload, and calls back. At 50 messages per second that took a third
 * of the server's CPU time, see docs/adr/0012. This is one write of one buffer, and only if the kernel does not accept
 * it immediately is its completion awaited. ws writes its own frames (ping, pong, close) as a whole, so both can write to
 * the same socket as long as messages are not compressed.
 */
export class InPlaceMessages {
  /** @param socket of the websocket */
  constructor(private readonly socket: Socket) {}

  /**
   * Sends the bytes of `memory` from `start` to `end`, and overwrites up to 10 bytes before them.
   *
   * @returns true when the kernel has accepted everything; otherwise a promise of whether it did before the connection
   *   was closed. Until it settles the memory is in use.
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
    memory.writeUInt32BE(0, start + 2); // no message is that long
    memory.writeUInt32BE(payloadBytes, start + 6);
  }
  memory[start] = FINAL_BINARY;
  return start;
}
