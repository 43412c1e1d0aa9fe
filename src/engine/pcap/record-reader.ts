import { PacketTimestamp, type BlockBuffer } from '../../shared/pcapng/block-buffer.js';
import { PACKET_DATA_OFFSET, PACKET_FLAGS_BYTES, packetBlockLength } from '../../shared/pcapng/format.js';
import { FLAGS_BY_PACKET_TYPE } from '../capture/packet-direction.js';

/** Header of a record in a classic savefile: seconds, nanoseconds, captured and original length; pcap-savefile(5). */
const RECORD_HEADER_BYTES = 16;
/** Up to this length a loop over words is faster than a call of a copy function (measured: 64 bytes 16 against 37 ns). */
const SHORT_PACKET_BYTES = 128;

/** Whether a packet passes, given its offset in the records and its original and captured length, in bytes. */
export type RecordFilter = (offset: number, originalLength: number, capturedLength: number) => boolean;

/**
 * Converts the records that libpcap wrote into enhanced packet blocks, in one pass, without an object per packet. It
 * reads the batches of one interface, stops where an output buffer is full and continues with the next buffer.
 */
export class RecordReader {
  private records: Buffer = Buffer.alloc(0);
  private view: DataView = new DataView(new ArrayBuffer(0));
  private offset = 0;
  private readonly timestamp = new PacketTimestamp();

  /**
   * @param packetTypeOffset where packets of this link type tell their sll_pkttype, for the direction in each block; absent: no
   *   directions
   */
  constructor(
    private readonly filter?: RecordFilter,
    private readonly packetTypeOffset?: number,
  ) {}

  /** Sets the next batch, which must not change until `exhausted`. */
  load(records: Uint8Array): void {
    this.records = Buffer.from(records.buffer, records.byteOffset, records.byteLength);
    this.view = new DataView(records.buffer, records.byteOffset, records.byteLength);
    this.offset = 0;
  }

  get exhausted(): boolean {
    return this.offset >= this.records.length;
  }

  /** Writes blocks until the batch is exhausted or the next block does not fit. */
  writeTo(out: BlockBuffer, interfaceId: number): void {
    const { records, view, filter, packetTypeOffset } = this;
    const flagsBytes = packetTypeOffset === undefined ? 0 : PACKET_FLAGS_BYTES;
    const { words, bytes } = out;
    const { timestamp } = this;
    const end = records.length;
    let offset = this.offset;
    let to = out.length;
    while (offset < end) {
      const captured = view.getUint32(offset + 8, true);
      const original = view.getUint32(offset + 12, true);
      const packet = offset + RECORD_HEADER_BYTES;
      const next = packet + captured;
      if (filter && !filter(packet, original, captured)) {
        offset = next;
        continue;
      }
      if (!out.hasRoomAt(to, packetBlockLength(captured) + flagsBytes)) break;
      if (captured <= SHORT_PACKET_BYTES) {
        const whole = captured & ~3;
        let word = (to + PACKET_DATA_OFFSET) >>> 2;
        for (let i = 0; i < whole; i += 4) words[word++] = view.getUint32(packet + i, true);
        for (let i = whole; i < captured; i++) bytes[to + PACKET_DATA_OFFSET + i] = view.getUint8(packet + i);
      } else {
        records.copy(bytes, to + PACKET_DATA_OFFSET, packet, next);
      }
      timestamp.set(view.getUint32(offset, true), view.getUint32(offset + 4, true));
      const hasType = packetTypeOffset !== undefined && captured > packetTypeOffset;
      const flags = hasType ? (FLAGS_BY_PACKET_TYPE[view.getUint8(packet + packetTypeOffset)] ?? 0) : 0;
      to += out.framePacket(to, interfaceId, timestamp, captured, original, flags);
      offset = next;
    }
    this.offset = offset;
    out.length = to;
  }
}
