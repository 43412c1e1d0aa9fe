/**
 * Most bytes kept of a packet: libpcap's own maximum (MAXIMUM_SNAPLEN), which no packet of an interface exceeds.
 */
export const SNAPSHOT_LENGTH = 262_144;
