export const OPCODES = { binary: 0x2, close: 0x8, ping: 0x9, pong: 0xa } as const;
type Opcode = keyof typeof OPCODES;

/** A frame as the service may send it. */
export interface Frame {
  readonly type: Opcode;
  readonly payload: Buffer;
}

/**
 * A strict reader of what the service sends on a websocket: unfragmented binary messages and control frames, not masked,
 * with the shortest header, and nothing after a close. It throws on the first violation of RFC 6455, section 5.
 */
export class FrameReader {
  private received = Buffer.alloc(0);
  private closed = false;

  constructor(private readonly onFrame: (frame: Frame) => void) {}

  /** Bytes of an incomplete frame. */
  get incompleteBytes(): number {
    return this.received.length;
  }

  push(bytes: Uint8Array): void {
    this.received = this.received.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.received, bytes]);
    for (let frame = this.next(); frame; frame = this.next()) {
      if (this.closed) throw new Error(`${frame.type} after a close`);
      this.closed = frame.type === 'close';
      this.onFrame(frame);
    }
  }

  private next(): Frame | undefined {
    const bytes = this.received;
    if (bytes.length < 2) return undefined;
    const [first = 0, second = 0] = bytes;
    const type = (Object.keys(OPCODES) as Opcode[]).find((each) => OPCODES[each] === (first & 0x0f));
    if (!type || (first & 0xf0) !== 0x80 || second >= 0x80) throw new Error(`bad frame: ${describe(bytes)}`);
    const headerBytes = second === 127 ? 10 : second === 126 ? 4 : 2;
    if (bytes.length < headerBytes) return undefined;
    const length =
      second === 127 ? Number(bytes.readBigUInt64BE(2)) : second === 126 ? bytes.readUInt16BE(2) : second;
    const shortest = length > 0xffff ? 10 : length > 125 ? 4 : 2;
    if (headerBytes !== shortest || (type !== 'binary' && length > 125)) {
      throw new Error(`bad length ${length}: ${describe(bytes)}`);
    }
    if (bytes.length < headerBytes + length) return undefined;
    this.received = bytes.subarray(headerBytes + length);
    return { type, payload: bytes.subarray(headerBytes, headerBytes + length) };
  }
}

/** A frame as a client sends it: masked, with a mask of zeros. */
export function clientFrame(type: Opcode, payload: string | Uint8Array = ''): Buffer {
  const data = Buffer.from(payload as string);
  if (data.length > 125) throw new RangeError('the payload is too long for this function');
  return Buffer.concat([Buffer.of(0x80 | OPCODES[type], 0x80 | data.length, 0, 0, 0, 0), data]);
}

function describe(bytes: Buffer): string {
  return bytes.subarray(0, 16).toString('hex');
}
