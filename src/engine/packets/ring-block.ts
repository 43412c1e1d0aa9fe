/**
 * A block of a ring, in bytes: room for the largest packet and the kernel's notes on it. libpcap takes the same, whatever
 * the snapshot length. The kernel hands over whole blocks.
 */
export const RING_BLOCK_BYTES = 256 * 1024;
