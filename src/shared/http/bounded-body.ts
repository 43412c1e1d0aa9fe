import type { IncomingMessage } from 'node:http';

/** A body was longer than it may be; what had been read of it is dropped. */
export class BodyTooLargeError extends Error {
  constructor(maxBytes: number) {
    super(`the body is longer than ${maxBytes} bytes`);
    this.name = 'BodyTooLargeError';
  }
}

/**
 * Reads the body of a response, as text. Whatever happens, its connection is over afterwards.
 *
 * @throws BodyTooLargeError, and what breaks the connection off
 */
export async function readBody(response: IncomingMessage, maxBytes: number): Promise<string> {
  try {
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of response as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > maxBytes) throw new BodyTooLargeError(maxBytes);
      pieces.push(piece);
    }
    return Buffer.concat(pieces, bytes).toString('utf8');
  } finally {
    // Without effect on a response that was read to its end; ends the connection of any other.
    response.destroy();
  }
}
