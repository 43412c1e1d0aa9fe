/* The limits of what a capture request may ask for: for all who check one, the page in the browser included. */

/** Longest pcap-filter(7) text, in bytes. Compiling a longer one can take minutes: see docs/adr. */
export const MAX_FILTER_BYTES = 4096;

/** Largest snapshot length, in bytes: MAXIMUM_SNAPLEN of libpcap, which no packet of an interface exceeds. */
export const MAX_SNAPSHOT_LENGTH = 262_144;

/** Longest duration, in seconds: a timer of Node.js lasts at most 2^31 - 1 ms, which is 24 days. */
export const MAX_DURATION_SECONDS = 2_000_000;

/** The largest limit of packets or bytes. A double represents it exactly. */
export const MAX_PACKETS_OR_BYTES = 10 ** 15 - 1;

/** IFNAMSIZ - 1, see netdevice(7). */
export const MAX_INTERFACE_NAME_BYTES = 15;

/** Longest name or prefix of a target in a `container` object, in characters. */
export const MAX_TARGET_NAME_LENGTH = 4096;
