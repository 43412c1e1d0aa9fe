import {
  emptyPacketBlock,
  interfaceDescriptionBlock,
  sectionHeaderBlock,
} from '../../shared/pcapng/blocks.js';
import type { PcapngProgress } from './pcapng-progress.js';

export { PcapngProgress } from './pcapng-progress.js';

const LINKTYPE_ETHERNET = 1;

/** Far beyond any reason that we give, far below what an option may hold (65,535). */
const MAX_COMMENT_BYTES = 4096;

/**
 * A whole small pcapng whose only content is a reason, as comment of the section and of one empty packet: that is
 * where Wireshark shows it to a user whose plugin drops the reason of a websocket's close.
 */
export function refusalPcapng(reason: string): Buffer {
  const comment = bounded(reason);
  return Buffer.concat([sectionHeaderBlock([comment], ''), ownInterface(), packetWith(comment)]);
}

/**
 * What tells the reason for its end at the end of a stream: an empty packet with the reason as comment.
 *
 * @param progress has followed all that was sent of the stream
 * @returns undefined when the stream stands within a block, so that nothing can be appended
 */
export function endingBlocks(progress: PcapngProgress, reason: string): Buffer | undefined {
  if (!progress.atBlockBoundary) return undefined;
  if (!progress.sectionBegun) return refusalPcapng(reason);
  const packet = packetWith(bounded(reason));
  return progress.interfaceCount > 0 ? packet : Buffer.concat([ownInterface(), packet]);
}

/** Every packet needs an interface. */
function ownInterface(): Buffer {
  return interfaceDescriptionBlock('packetflix', LINKTYPE_ETHERNET, 0, '');
}

/** On interface 0, captured just now. */
function packetWith(comment: string): Buffer {
  return emptyPacketBlock(0, Date.now(), comment);
}

/** Cuts between two characters, never within one. */
function bounded(text: string): string {
  const bytes = Buffer.alloc(MAX_COMMENT_BYTES);
  return bytes.toString('utf8', 0, new TextEncoder().encodeInto(text, bytes).written);
}
