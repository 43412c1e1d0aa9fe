import type { Interface } from '../../shared/linux/rtnetlink.js';
import { ReadinessWatch } from '../../shared/linux/native.js';
import type { OpenSource } from '../opener/opener-tasks.js';
import type { BlockBuffer } from './block-buffer.js';
import type { PacketReader } from './packet-reader.js';
import { takePacketStatistics } from '../ring/packet-socket.js';
import type { Ring } from './ring-budget.js';

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
  private readonly readiness: ReadinessWatch;
  /** How much may still be taken out of the ring. */
  private quotaBytes = Infinity;

  /**
   * @param reader from now on owned by this
   * @param onReady called, again and again, while there is something to read
   */
  constructor(
    readonly device: Interface,
    private readonly reader: PacketReader,
    readonly ring: Ring,
    readonly description: DescribedInterface,
    onReady: (source: InterfaceSource) => void,
  ) {
    this.readiness = new ReadinessWatch(reader.fd, () => onReady(this));
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
   * @throws Error when the interface has gone or gone down
   */
  fill(): boolean {
    if (this.quotaBytes <= 0) return false;
    const bytes = this.reader.take();
    this.quotaBytes -= bytes;
    return bytes > 0;
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
    const { packets, drops } = takePacketStatistics(this.reader.fd);
    this.description.received += packets;
    this.description.dropped += drops;
    return this.description;
  }

  /** @returns what is open, for an opener thread to close */
  release(): OpenSource {
    this.readiness.close();
    return this.reader.release();
  }
}
