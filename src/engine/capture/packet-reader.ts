import type { OpenSource } from '../opener/opener-tasks.js';
import type { BlockBuffer } from './block-buffer.js';

/**
 * Takes the packets of one interface out of its ring, a batch at a time, and writes them as pcapng blocks. There are two
 * of them: ring/ reads the kernel's memory itself, libpcap/ lets libpcap do it, which knows any kind of interface.
 */
export interface PacketReader {
  /** LINKTYPE_ value, for the interface description block. */
  readonly linkType: number;
  /** The packet socket, to wait on and to ask for statistics. */
  readonly fd: number;
  /** Packets written to blocks so far. */
  readonly packets: number;
  /** Their captured bytes. */
  readonly packetBytes: number;
  /** Whether all of the last batch has been written, or filtered out. */
  readonly exhausted: boolean;

  /**
   * Takes the next batch, once the last one is exhausted.
   *
   * @returns about how many bytes it has; 0: there is none now
   * @throws Error when the interface has gone or gone down
   */
  take(): number;

  /** Writes blocks until the batch is exhausted or the next one does not fit any more. */
  writeTo(out: BlockBuffer, interfaceId: number): void;

  /**
   * Gives up reading.
   *
   * @returns what must be closed, best by a thread that may stand still
   */
  release(): OpenSource;
}
