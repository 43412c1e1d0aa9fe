const OPCODE_BINARY = 2;
const OPCODE_CONTINUATION = 0;
const OPCODE_CLOSE = 8;
const OPCODE_PING = 9;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MAX_HEADER_BYTES = 10;

export interface FrameHandlers {
  payload(bytes: Buffer, start: number, end: number): void;
  ping(payload: Buffer): void;
  close(code: number, reason: string): void;
}

/** Parses the unmasked frames of a server (RFC 6455) without copying their payload. */
export class WebSocketFrames {
  /** Binary messages that have begun. */
  messages = 0;
  private readonly header = Buffer.alloc(MAX_HEADER_BYTES);
  private headerBytes = 0;
  private remainingBytes = 0;
  private control: Buffer[] | undefined;
  private opcode = 0;

  constructor(private readonly handlers: FrameHandlers) {}

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.remainingBytes === 0) {
        this.header[this.headerBytes++] = bytes[at++] ?? 0;
        if (this.headerBytes >= 2 && this.headerBytes === this.headerLength()) this.begin();
        continue;
      }
      const end = at + Math.min(this.remainingBytes, bytes.length - at);
      this.remainingBytes -= end - at;
      if (this.control) this.control.push(Buffer.from(bytes.subarray(at, end)));
      else this.handlers.payload(bytes, at, end);
      at = end;
      if (this.remainingBytes === 0) this.end();
    }
  }

  private headerLength(): number {
    const length = (this.header[1] ?? 0) & 0x7f;
    return length === LENGTH_64 ? MAX_HEADER_BYTES : length === LENGTH_16 ? 4 : 2;
  }

  private begin(): void {
    const short = (this.header[1] ?? 0) & 0x7f;
    this.opcode = (this.header[0] ?? 0) & 0x0f;
    this.remainingBytes = short;
    if (short === LENGTH_16) this.remainingBytes = this.header.readUInt16BE(2);
    if (short === LENGTH_64) this.remainingBytes = Number(this.header.readBigUInt64BE(2));
    this.headerBytes = 0;
    if (this.opcode === OPCODE_BINARY) this.messages += 1;
    this.control = [OPCODE_BINARY, OPCODE_CONTINUATION].includes(this.opcode) ? undefined : [];
    if (this.remainingBytes === 0) this.end();
  }

  private end(): void {
    const payload = Buffer.concat(this.control ?? []);
    this.control = undefined;
    if (this.opcode === OPCODE_PING) this.handlers.ping(payload);
    if (this.opcode === OPCODE_CLOSE) {
      this.handlers.close(payload.length >= 2 ? payload.readUInt16BE(0) : 1005, payload.toString('utf8', 2));
    }
  }
}

/** A frame from the client; its mask is zero, so the payload stays unchanged. */
export function clientFrame(opcode: 'pong' | 'close', payload: Buffer): Buffer {
  const first = 0x80 | (opcode === 'pong' ? 10 : OPCODE_CLOSE);
  return Buffer.concat([Buffer.of(first, 0x80 | payload.length, 0, 0, 0, 0), payload]);
}
