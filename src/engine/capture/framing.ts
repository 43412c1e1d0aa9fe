/** RFC 6455, 5.2: FIN, and the opcode of a binary message. */
const FINAL_BINARY = 0x82;
/** Values of the length field that announce a length of 16 bits, and of 64 bits. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;

const NOTHING = Buffer.alloc(0);

/**
 * The header of the websocket message that carries a part of a stream: not masked, as servers send it, and not
 * compressed.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6455#section-5.2
 */
export function websocketHeader(payloadBytes: number): Buffer {
  if (payloadBytes < LENGTH_16) return Buffer.of(FINAL_BINARY, payloadBytes);
  if (payloadBytes <= 0xffff) {
    return Buffer.of(FINAL_BINARY, LENGTH_16, payloadBytes >>> 8, payloadBytes & 0xff);
  }
  const header = Buffer.alloc(10);
  header.set([FINAL_BINARY, LENGTH_64]);
  header.writeUInt32BE(payloadBytes, 6); // the upper half stays 0: no message is that long
  return header;
}

/** A byte stream needs no headers. */
export function noHeader(): Buffer {
  return NOTHING;
}
