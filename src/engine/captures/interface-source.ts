import type { Interface } from '../interfaces/rtnetlink.js';
import { takePacketStatistics, type Pointer } from '../native/libc.js';
import type { LivePcap, PacketFilter } from '../native/libpcap.js';
import { ReadinessWatch } from '../native/readiness.js';
import { RecordReader, type BlockBuffer } from '../pcapng/packet-blocks.js';
import type { Ring } from './ring-budget.js';

/** About so many bytes are taken out of a ring at once. */
const BATCH_BYTES = 256 * 1024;
const MOST_PACKETS = 1024;
const LEAST_PACKETS = 16;

/** An interface as the stream knows it; it stays when the interface goes and comes back. */
export interface DescribedInterface {
  /** Of the interface description block. */
  readonly id: number;
  received: number;
  dropped: number;
  /** Sum of both when the statistics were last told. */
  told: number;
}

/** One interface that is captured from: its ring, and the packets on their way from there into blocks. */
export class InterfaceSource {
  private readonly reader: RecordReader;
  private readonly readiness: ReadinessWatch;
  private packetsAtOnce = LEAST_PACKETS * 4;
  /** How much may still be taken out of the ring. */
  private quotaBytes = Infinity;

  /**
   * @param pcap from now on owned by this
   * @param onReady called, again and again, while there is something to read
   */
  constructor(
    readonly device: Interface,
    private readonly pcap: LivePcap,
    readonly ring: Ring,
    readonly description: DescribedInterface,
    filter: PacketFilter | undefined,
    onReady: (source: InterfaceSource) => void,
  ) {
    this.reader = new RecordReader(
      filter &&
        ((offset, original, captured) =>
          filter.matches(pcap.recordsStart + BigInt(offset), original, captured)),
    );
    this.readiness = new ReadinessWatch(pcap.fd, () => onReady(this));
  }

  get packets(): number {
    return this.reader.packets;
  }

  get packetBytes(): number {
    return this.reader.packetBytes;
  }

  /** Whether blocks that did not fit into the last buffer are still to be written. */
  get halfway(): boolean {
    return !this.reader.exhausted;
  }

  /**
   * Takes a batch out of the ring.
   *
   * @returns whether there was one
   * @throws PcapError when the interface has gone or gone down
   */
  fill(): boolean {
    if (this.quotaBytes <= 0) return false;
    const records = this.pcap.read(this.packetsAtOnce);
    if (records.byteLength === 0) return false;
    this.quotaBytes -= records.byteLength;
    this.reader.load(records);
    const packetsForBatch = Math.floor((this.packetsAtOnce * BATCH_BYTES) / records.byteLength);
    this.packetsAtOnce = Math.max(LEAST_PACKETS, Math.min(MOST_PACKETS, packetsForBatch));
    return true;
  }

  writeTo(buffer: BlockBuffer): void {
    this.reader.writeTo(buffer, this.description.id);
  }

  pause(): void {
    this.readiness.pause();
  }

  resume(): void {
    this.readiness.resume();
  }

  /** From now on no more than one ring's worth: under load it would never be empty. */
  beginLastRound(): void {
    this.quotaBytes = this.ring.bytes;
  }

  /** Brings the counters up to date. */
  countersNow(): DescribedInterface {
    const { packets, drops } = takePacketStatistics(this.pcap.fd);
    this.description.received += packets;
    this.description.dropped += drops;
    return this.description;
  }

  /** @returns the handle, for an opener thread to close */
  release(): Pointer {
    this.readiness.close();
    return this.pcap.release();
  }
}
