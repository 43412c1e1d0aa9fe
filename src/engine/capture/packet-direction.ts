const INBOUND = 1;
const OUTBOUND = 2;
const UNICAST = 1 << 2;
const MULTICAST = 2 << 2;
const BROADCAST = 3 << 2;
const PROMISCUOUS = 4 << 2;

/**
 * Values of the option epb_flags by sll_pkttype, see packet(7): PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST
 * and PACKET_OUTGOING. Source: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html, 4.3.1.
 */
export const FLAGS_BY_PACKET_TYPE = Uint8Array.of(
  INBOUND | UNICAST,
  INBOUND | BROADCAST,
  INBOUND | MULTICAST,
  INBOUND | PROMISCUOUS,
  OUTBOUND,
);
