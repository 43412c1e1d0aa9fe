/** How the packets of a kind of interfaces begin. */
export interface LinkType {
  /** What libpcap's functions call it: a DLT_ value. */
  readonly dlt: number;
  /** What files call it: a LINKTYPE_ value, see https://www.tcpdump.org/linktypes.html. */
  readonly linkType: number;
  /** Length of the addresses, behind which a VLAN tag belongs; absent: there are no tags. */
  readonly vlanTagOffset?: number;
  /** Room to be left before each packet, so that it begins at a multiple of four. */
  readonly reservedBytes: number;
}

/** The kernel aligns what follows the 14 bytes of the Ethernet header. */
const ETHERNET: LinkType = { dlt: 1, linkType: 1, vlanTagOffset: 12, reservedBytes: 2 };
/** No header: IPv4 or IPv6 from the first byte on. */
const RAW_IP: LinkType = { dlt: 12, linkType: 101, reservedBytes: 0 };

const ARPHRD_ETHER = 1;
export const ARPHRD_LOOPBACK = 772;
const ARPHRD_NONE = 0xfffe;

/**
 * The link types of nearly all interfaces of containers and their hosts, by the ARPHRD_ values of linux/if_arp.h: veth,
 * bridges, real network cards, loopback; WireGuard and tun. libpcap knows some fifty more, and how to present them.
 */
export const LINK_TYPES: ReadonlyMap<number, LinkType> = new Map([
  [ARPHRD_ETHER, ETHERNET],
  [ARPHRD_LOOPBACK, ETHERNET],
  [ARPHRD_NONE, RAW_IP],
]);
