import { BlockReader } from '../../shared/pcapng/block-reader.js';
import {
  emptyPacketBlock,
  interfaceDescriptionBlock,
  sectionHeaderBlock,
} from '../../shared/pcapng/blocks.js';
import { INTERFACE_DESCRIPTION_BLOCK, SECTION_HEADER_BLOCK } from '../../shared/pcapng/format.js';

const LINKTYPE_ETHERNET = 1;

/** More than any reason of this service, and far less than an option can hold (65,535). */
const MAX_COMMENT_BYTES = 4096;

/**
 * A small complete pcapng file whose only content is a reason, as comment of the section and of one empty packet: that
 * is where Wireshark shows it to a user whose plugin drops the reason of a websocket's close.
 */
export function refusalPcapng(reason: string): Buffer {
  const comment = bounded(reason);
  return Buffer.concat([sectionHeaderBlock([comment], ''), ownInterface(), packetWith(comment)]);
}

/** Follows a pcapng stream that was sent to a client, in order to append the reason for its end. */
export class StreamEnding {
  private interfaces = 0;
  private hasSection = false;
  private readonly reader = new BlockReader(
    ({ type }) => {
      if (type === INTERFACE_DESCRIPTION_BLOCK) this.interfaces++;
      if (type === SECTION_HEADER_BLOCK) {
        this.hasSection = true;
        this.interfaces = 0;
      }
    },
    { skipPackets: true },
  );

  /** Notes the next chunk of the stream, divided anywhere; keeps no reference to it. */
  push(chunk: Uint8Array): void {
    this.reader.push(chunk);
  }

  /** Notes that the stream, which another process writes, describes this number of interfaces so far. */
  assume(interfaces: number): void {
    this.hasSection = true;
    this.interfaces = interfaces;
  }

  /**
   * @returns an empty packet with the reason as comment, preceded by the blocks that it needs; undefined if the stream
   *   stopped within a block, so that nothing can be appended
   */
  blocks(reason: string): Buffer | undefined {
    if (!this.reader.atBlockBoundary) return undefined;
    if (!this.hasSection) return refusalPcapng(reason);
    const packet = packetWith(bounded(reason));
    return this.interfaces > 0 ? packet : Buffer.concat([ownInterface(), packet]);
  }
}

/** Every packet needs an interface. */
function ownInterface(): Buffer {
  return interfaceDescriptionBlock({
    name: 'packetflix',
    linkType: LINKTYPE_ETHERNET,
    snapshotLength: 0,
    filter: '',
  });
}

/** On interface 0, captured now. */
function packetWith(comment: string): Buffer {
  return emptyPacketBlock(0, Date.now(), comment);
}

/** Cuts between two characters, never within one. */
function bounded(text: string): string {
  const bytes = Buffer.alloc(MAX_COMMENT_BYTES);
  return bytes.toString('utf8', 0, new TextEncoder().encodeInto(text, bytes).written);
}
