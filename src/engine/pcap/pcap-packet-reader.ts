import { LivePcap, type PacketFilter } from './libpcap.js';
import type { Pointer } from '../../shared/linux/native.js';
import type { OpenSource } from '../opener/opener-tasks.js';
import type { BlockBuffer } from '../../shared/pcapng/block-buffer.js';
import type { PacketReader } from '../capture/interface-source.js';
import { RecordReader } from './record-reader.js';

/** Approximate number of bytes that are taken out of a ring at once. */
const BATCH_BYTES = 256 * 1024;
const MAX_PACKETS = 1024;
const MIN_PACKETS = 16;

/**
 * Offsets of sll_pkttype by LINKTYPE_ value, of the link types that contain it: LINUX_SLL (the second byte of two) and LINUX_SLL2.
 * Of other packets, libpcap does not tell the direction. See https://www.tcpdump.org/linktypes.html.
 */
const PACKET_TYPE_OFFSETS: ReadonlyMap<number, number> = new Map([
  [113, 1],
  [276, 10],
]);

/** Reads packets by libpcap, which supports any kind of interface and costs two more copies of each packet. */
export class PcapPacketReader implements PacketReader {
  private readonly pcap: LivePcap;
  private readonly records: RecordReader;
  private packetsAtOnce = MIN_PACKETS * 4;

  /**
   * @param handle an activated `pcap_t *`, from now on owned by this
   * @param withDirection whether each block tells the direction of its packet, where the packet itself tells it
   */
  constructor(handle: Pointer, filter: PacketFilter | undefined, withDirection: boolean) {
    const pcap = new LivePcap(handle);
    this.pcap = pcap;
    this.records = new RecordReader(
      filter &&
        ((offset, original, captured) =>
          filter.matches(pcap.recordsStart + BigInt(offset), original, captured)),
      withDirection ? PACKET_TYPE_OFFSETS.get(pcap.linkType) : undefined,
    );
  }

  get linkType(): number {
    return this.pcap.linkType;
  }

  get fd(): number {
    return this.pcap.fd;
  }

  get exhausted(): boolean {
    return this.records.exhausted;
  }

  take(): number {
    const batch = this.pcap.read(this.packetsAtOnce);
    const { byteLength } = batch;
    if (byteLength === 0) return 0;
    this.records.load(batch);
    const packetsForBatch = Math.floor((this.packetsAtOnce * BATCH_BYTES) / byteLength);
    this.packetsAtOnce = Math.max(MIN_PACKETS, Math.min(MAX_PACKETS, packetsForBatch));
    return byteLength;
  }

  writeTo(out: BlockBuffer, interfaceId: number): void {
    this.records.writeTo(out, interfaceId);
  }

  /** The layout of libpcap's ring is not part of its API. */
  countUnread(): number {
    return 0;
  }

  release(): OpenSource {
    return { kind: 'libpcap', handle: this.pcap.release() };
  }
}
