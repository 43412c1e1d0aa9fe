/**
 * A block of a ring that libpcap opens, in bytes, whatever the snapshot length: room for 256 KiB of a packet. Rings are
 * measured in these; those that we read ourselves may have blocks half as long, and so twice as many.
 */
export const RING_BLOCK_BYTES = 256 * 1024;
