import { throwSocketError } from '../../shared/linux/libc.js';
import { viewMemory } from '../../shared/linux/native.js';
import type { PacketFilter } from '../pcap/libpcap.js';
import type { OpenSource } from '../opener/opener-tasks.js';
import type { BlockBuffer } from '../../shared/pcapng/block-buffer.js';
import type { PacketReader } from '../capture/interface-source.js';
import { FrameReader } from './frame-reader.js';
import type { PacketRing } from './packet-ring.js';

/**
 * struct tpacket_block_desc of linux/if_packet.h, offsets in bytes: status, number of frames, offset of the first frame,
 * bytes in use.
 */
const STATUS = 8;
const FRAMES = 12;
const FIRST_FRAME = 16;
const USED_BYTES = 20;

const TP_STATUS_KERNEL = 0;
const TP_STATUS_USER = 1;

/** Reads the kernel's TPACKET_V3 ring from shared memory: no system call and one copy per packet. */
export class RingPacketReader implements PacketReader {
  private words: Int32Array;
  private view: DataView;
  private frames: FrameReader;
  readonly blocks: number;
  /** Index of the block that is being read, or that comes next. */
  private block = 0;
  /** Whether the ring had something since it was found empty. */
  private hasRead = false;

  /**
   * @param ring from now on owned by this
   * @param withDirection whether each block tells the direction of its packet
   */
  constructor(
    private readonly ring: PacketRing,
    filter: PacketFilter | undefined,
    withDirection: boolean,
  ) {
    const memory = viewMemory(ring.address, ring.bytes);
    this.words = new Int32Array(memory);
    this.view = new DataView(memory);
    this.blocks = ring.bytes / ring.blockBytes;
    this.frames = new FrameReader(memory, {
      vlanTagOffset: ring.type.vlanTagOffset,
      withDirection,
      filter: filter && ((packet, original) => filter.matches(packet, original, packet.length)),
    });
  }

  get linkType(): number {
    return this.ring.type.linkType;
  }

  get fd(): number {
    return this.ring.fd;
  }

  get exhausted(): boolean {
    return this.frames.exhausted;
  }

  take(): number {
    // Atomic: on no processor may the rest of the block be read before its status.
    if ((Atomics.load(this.words, this.statusWord) & TP_STATUS_USER) === 0) {
      // A pending error stays. It is looked for when two reads in a row find nothing: a system call less per wake-up under load.
      if (!this.hasRead) throwSocketError(this.ring.fd);
      this.hasRead = false;
      return 0;
    }
    this.hasRead = true;
    const { view, start } = this;
    this.frames.load(start + view.getUint32(start + FIRST_FRAME, true), view.getUint32(start + FRAMES, true));
    return view.getUint32(start + USED_BYTES, true);
  }

  writeTo(out: BlockBuffer, interfaceId: number): void {
    this.frames.writeTo(out, interfaceId);
    if (!this.frames.exhausted) return;
    Atomics.store(this.words, this.statusWord, TP_STATUS_KERNEL);
    this.block = (this.block + 1) % this.blocks;
  }

  countUnread(): number {
    const { view } = this;
    const { blockBytes } = this.ring;
    let packets = this.frames.remaining;
    // The block of these frames still belongs to this process.
    for (let i = packets > 0 ? 1 : 0; i < this.blocks; i++) {
      const start = ((this.block + i) % this.blocks) * blockBytes;
      if ((Atomics.load(this.words, (start + STATUS) >>> 2) & TP_STATUS_USER) === 0) break;
      packets += view.getUint32(start + FRAMES, true);
    }
    return packets;
  }

  release(): OpenSource {
    // The memory will be unmapped: reading it must throw a RangeError then, and not crash the process.
    const nothing = new ArrayBuffer(0);
    this.words = new Int32Array(nothing);
    this.view = new DataView(nothing);
    this.frames = new FrameReader(nothing, {});
    return { kind: 'ring', ring: this.ring };
  }

  /** Offset of the block in bytes. */
  private get start(): number {
    return this.block * this.ring.blockBytes;
  }

  private get statusWord(): number {
    return (this.start + STATUS) >>> 2;
  }
}
