import { MAX_LINE_BYTES } from './protocol.js';

const NEWLINE = 0x0a;

/** The peer of a connection does not speak the protocol. It gets no answer. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** A message of the protocol; its members are not checked. @throws ProtocolError when it is no JSON object */
export function parseMessage(line: string): object {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch (error) {
    throw new ProtocolError('a line that is not JSON', { cause: error });
  }
  if (typeof message !== 'object' || message === null)
    throw new ProtocolError('a line that is not an object');
  return message;
}

/** Splits a stream of bytes into lines. */
export class LineReader {
  private parts: Buffer[] = [];
  private partBytes = 0;

  /** @param maxLineBytes maximum length of a line; default: that of the protocol */
  constructor(private readonly maxLineBytes = MAX_LINE_BYTES) {}

  /** Whether a line has begun and its newline has not arrived yet. */
  get isWithinLine(): boolean {
    return this.partBytes > 0;
  }

  /**
   * @returns the lines that are complete now, without their newline
   * @throws ProtocolError when a line is longer than the maximum
   */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.keep(chunk.subarray(start, end));
      lines.push(Buffer.concat(this.parts).toString('utf8'));
      this.parts = [];
      this.partBytes = 0;
      start = end + 1;
    }
    this.keep(chunk.subarray(start));
    return lines;
  }

  private keep(part: Buffer): void {
    this.partBytes += part.length;
    if (this.partBytes > this.maxLineBytes) {
      throw new ProtocolError(`a line is longer than ${this.maxLineBytes} bytes`);
    }
    this.parts.push(part);
  }
}
