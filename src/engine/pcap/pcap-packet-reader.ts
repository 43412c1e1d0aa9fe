import { LivePcap, type PacketFilter } from './libpcap.js';
import type { Pointer } from '../../shared/linux/native.js';
import type { OpenSource } from '../opener/opener-tasks.js';
import type { BlockBuffer } from '../capture/block-buffer.js';
import type { PacketReader } from '../capture/packet-reader.js';
import { RecordReader } from './record-reader.js';

/** About so many bytes are taken out of a ring at once. */
const BATCH_BYTES = 256 * 1024;
const MOST_PACKETS = 1024;
const LEAST_PACKETS = 16;

/** Reads by libpcap: any kind of interface, for two copies of each packet more. */
export class PcapPacketReader implements PacketReader {
  private readonly pcap: LivePcap;
  private readonly records: RecordReader;
  private packetsAtOnce = LEAST_PACKETS * 4;

  /** @param handle an activated `pcap_t *`, from now on owned by this */
  constructor(handle: Pointer, filter: PacketFilter | undefined) {
    const pcap = new LivePcap(handle);
    this.pcap = pcap;
    this.records = new RecordReader(
      filter &&
        ((offset, original, captured) =>
          filter.matches(pcap.recordsStart + BigInt(offset), original, captured)),
    );
  }

  get linkType(): number {
    return this.pcap.linkType;
  }

  get fd(): number {
    return this.pcap.fd;
  }

  get packets(): number {
    return this.records.packets;
  }

  get packetBytes(): number {
    return this.records.packetBytes;
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
    this.packetsAtOnce = Math.max(LEAST_PACKETS, Math.min(MOST_PACKETS, packetsForBatch));
    return byteLength;
  }

  writeTo(out: BlockBuffer, interfaceId: number): void {
    this.records.writeTo(out, interfaceId);
  }

  release(): OpenSource {
    return { kind: 'libpcap', handle: this.pcap.release() };
  }
}
