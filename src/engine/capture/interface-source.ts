import { ReadinessWatch } from '../../shared/linux/native.js';
import type { BlockBuffer } from '../../shared/pcapng/block-buffer.js';
import type { OpenSource } from '../opener/opener-tasks.js';
import { takePacketStatistics } from '../ring/packet-socket.js';
import type { RingParameters } from './ring-budget.js';

/**
 * Takes the packets of one interface out of its ring, a batch at a time, and writes them as pcapng blocks. Two readers
 * exist: ring/ reads the memory that the kernel shares; pcap/ uses libpcap, which supports any kind of interface.
 */
export interface PacketReader {
  /** LINKTYPE_ value, for the interface description block. */
  readonly linkType: number;
  /** The packet socket, to wait for packets and to read statistics. */
  readonly fd: number;
  /** Number of blocks of the ring; absent: unknown. */
  readonly blocks?: number;
  /** Whether all packets of the last batch have been written or filtered out. */
  readonly exhausted: boolean;

  /**
   * Takes the next batch, once the last one is exhausted.
   *
   * @returns its approximate size in bytes; 0: there is none now
   * @throws Error when the interface has gone or gone down
   */
  take(): number;

  /** Writes blocks until the batch is exhausted or the next block does not fit. */
  writeTo(out: BlockBuffer, interfaceId: number): void;

  /** Counts the packets in the ring that have not been read; 0 where they cannot be counted. */
  countUnread(): number;

  /**
   * Stops reading.
   *
   * @returns what must be closed, in an opener thread because closing blocks
   */
  release(): OpenSource;
}

/** An interface of the stream. Its entry remains when the interface goes, in case it comes back. */
export interface DescribedInterface {
  /** Number of its interface description block. */
  readonly id: number;
  received: number;
  dropped: number;
  /** Sum of both in the statistics that were written last. */
  reported: number;
}

/** How the stream names an interface. */
export interface SourceName {
  /** The same for an interface that goes and comes back. */
  readonly key: string;
  readonly name: string;
  /** For people; empty: none. */
  readonly description: string;
}

/** Callbacks for those who read a source, and who own it. */
export interface SourceObserver {
  /** Called repeatedly while there are packets to read. */
  onReady(source: InterfaceSource): void;
  /** Nothing more is read: the callee closes the ring. */
  onDrained(source: InterfaceSource): void;
}

/** One interface of a capture: its ring, and the packets on their way from there into blocks. */
export class InterfaceSource {
  private readonly readiness: ReadinessWatch;
  /** Bytes that may still be taken out of the ring. */
  private quotaBytes = Infinity;
  /** Its entry in the stream; absent until the interface has been described there. */
  description?: DescribedInterface;

  /** @param reader from now on owned by this */
  constructor(
    readonly name: SourceName,
    private readonly reader: PacketReader,
    readonly ring: RingParameters,
    private readonly observer: SourceObserver,
  ) {
    this.readiness = new ReadinessWatch(reader.fd, () => observer.onReady(this));
  }

  /** Whether packets that did not fit into the last buffer are still to be written. */
  get halfway(): boolean {
    return !this.reader.exhausted;
  }

  /**
   * Takes a batch out of the ring.
   *
   * @returns whether there was one
   * @throws Error when the interface has gone or gone down
   */
  fill(): boolean {
    if (this.quotaBytes <= 0) return false;
    const bytes = this.reader.take();
    this.quotaBytes -= bytes;
    return bytes > 0;
  }

  get linkType(): number {
    return this.reader.linkType;
  }

  /** Number of blocks of the ring; undefined: unknown. */
  get blocks(): number | undefined {
    return this.reader.blocks;
  }

  /** Only after the interface has been described. */
  writeTo(buffer: BlockBuffer): void {
    if (this.description) this.reader.writeTo(buffer, this.description.id);
  }

  pause(): void {
    this.readiness.pause();
  }

  resume(): void {
    this.readiness.resume();
  }

  /** Limits further reading to the size of the ring, which would never be empty under load. */
  beginLastRound(): void {
    this.quotaBytes = this.ring.bytes;
  }

  /** Updates the counters of the description from the kernel, which counts from the last call. */
  updateCounters(): void {
    if (!this.description) return;
    const { packets, drops } = takePacketStatistics(this.reader.fd);
    this.description.received += packets;
    this.description.dropped += drops;
  }

  /** Packets that nobody has read and nobody will read, in the ring and dropped by the kernel. */
  countLosses(): number {
    return takePacketStatistics(this.reader.fd).drops + this.reader.countUnread();
  }

  /** Updates the counters, with the packets that are left in the ring as dropped: nobody will read them. */
  countUnreadAsDropped(): void {
    if (!this.description) return;
    this.updateCounters();
    const unread = Math.min(this.reader.countUnread(), this.description.received);
    this.description.received -= unread;
    this.description.dropped += unread;
    if (unread > 0) this.description.reported = -1; // the sum is the same, but must be reported again
  }

  /** Must be called when nothing more is read. */
  drained(): void {
    this.observer.onDrained(this);
  }

  /** @returns what must be closed, in an opener thread */
  release(): OpenSource {
    this.readiness.close();
    return this.reader.release();
  }
}
