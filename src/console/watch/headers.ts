/**
 * Reads addresses and protocol of a packet from its headers, for the list without Wireshark's dissectors. Packets are untrusted
 * input: when a header is too short, the summary has what was read before it.
 */

export interface PacketSummary {
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly info: string;
}

const LINKTYPE_NULL = 0;
const LINKTYPE_ETHERNET = 1;
const LINKTYPE_RAW = 101;
const LINKTYPE_LOOP = 108;
const LINKTYPE_LINUX_SLL = 113;
const LINKTYPE_IPV4 = 228;
const LINKTYPE_IPV6 = 229;
const LINKTYPE_LINUX_SLL2 = 276;

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_IPV6 = 0x86dd;
const VLAN_ETHERTYPES = [0x8100, 0x88a8, 0x9100];
const MAX_VLAN_TAGS = 8;
const OTHER_ETHERTYPES: Readonly<Record<number, string>> = {
  0x8847: 'MPLS',
  0x8863: 'PPPoED',
  0x8864: 'PPPoES',
  0x888e: 'EAPOL',
  0x88cc: 'LLDP',
  0x88e5: 'MACsec',
  0x88f7: 'PTP',
};

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const AUTHENTICATION_HEADER = 51;
const ICMPV6 = 58;
const IP_PROTOCOLS: Readonly<Record<number, string>> = {
  [ICMP]: 'ICMP',
  2: 'IGMP',
  4: 'IPv4',
  [TCP]: 'TCP',
  [UDP]: 'UDP',
  41: 'IPv6',
  47: 'GRE',
  50: 'ESP',
  [AUTHENTICATION_HEADER]: 'AH',
  [ICMPV6]: 'ICMPv6',
  89: 'OSPF',
  103: 'PIM',
  112: 'VRRP',
  132: 'SCTP',
};
const IPV6_HOP_BY_HOP_OPTIONS = 0;
const IPV6_ROUTING = 43;
const IPV6_FRAGMENT = 44;
const IPV6_DESTINATION_OPTIONS = 60;
const IPV6_EXTENSIONS = [
  IPV6_HOP_BY_HOP_OPTIONS,
  IPV6_ROUTING,
  IPV6_FRAGMENT,
  AUTHENTICATION_HEADER,
  IPV6_DESTINATION_OPTIONS,
];
const MAX_IPV6_EXTENSIONS = 8;

const ICMP_TYPES: Readonly<Record<number, string>> = {
  0: 'Echo reply',
  3: 'Destination unreachable',
  5: 'Redirect',
  8: 'Echo request',
  11: 'Time exceeded',
};
const ICMPV6_TYPES: Readonly<Record<number, string>> = {
  1: 'Destination unreachable',
  2: 'Packet too big',
  3: 'Time exceeded',
  128: 'Echo request',
  129: 'Echo reply',
  133: 'Router solicitation',
  134: 'Router advertisement',
  135: 'Neighbor solicitation',
  136: 'Neighbor advertisement',
  143: 'Multicast listener report',
};
/** The names of the flags, beginning with the least significant bit. */
const TCP_FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'];

/** @param linkType a LINKTYPE_ value */
export function summarize(linkType: number, packet: Uint8Array): PacketSummary {
  const summary = new Summary(packet);
  try {
    summary.readLink(linkType);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    summary.info = 'The packet ends within its headers.';
  }
  const { source, destination, protocol, info } = summary;
  return { source, destination, protocol, info };
}

/** Reads headers one after the other. DataView throws a RangeError at the end of the packet. */
class Summary implements PacketSummary {
  source = '';
  destination = '';
  protocol = '';
  info = '';
  private readonly view: DataView;

  constructor(packet: Uint8Array) {
    this.view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  }

  readLink(linkType: number): void {
    switch (linkType) {
      case LINKTYPE_ETHERNET:
        this.protocol = 'Ethernet';
        this.destination = this.hardwareAddress(0);
        this.source = this.hardwareAddress(6);
        return this.readEthertype(12);
      case LINKTYPE_LINUX_SLL:
        this.protocol = 'SLL';
        return this.readEthertype(14);
      case LINKTYPE_LINUX_SLL2:
        this.protocol = 'SLL2';
        return this.readNetwork(this.uint16(0), 20);
      case LINKTYPE_NULL:
      case LINKTYPE_LOOP:
        return this.readIp(4);
      case LINKTYPE_RAW:
      case LINKTYPE_IPV4:
      case LINKTYPE_IPV6:
        return this.readIp(0);
      default:
        this.protocol = `Link type ${linkType}`;
    }
  }

  private readEthertype(offset: number): void {
    for (let tags = 0; VLAN_ETHERTYPES.includes(this.uint16(offset)) && tags < MAX_VLAN_TAGS; tags++) {
      this.protocol = 'VLAN';
      offset += 4;
    }
    this.readNetwork(this.uint16(offset), offset + 2);
  }

  private readNetwork(ethertype: number, offset: number): void {
    if (ethertype === ETHERTYPE_IPV4 || ethertype === ETHERTYPE_IPV6) this.readIp(offset);
    else if (ethertype === ETHERTYPE_ARP) this.readArp(offset);
    // Smaller values are the length of an IEEE 802.3 frame.
    else if (ethertype < 0x600) this.protocol = 'LLC';
    else this.protocol = OTHER_ETHERTYPES[ethertype] ?? `0x${hex(ethertype, 4)}`;
  }

  private readArp(offset: number): void {
    this.protocol = 'ARP';
    const operation = this.uint16(offset + 6);
    if (this.uint16(offset + 2) !== ETHERTYPE_IPV4) return;
    const [sender, target] = [this.ipv4Address(offset + 14), this.ipv4Address(offset + 24)];
    if (operation === 1) this.info = `Who has ${target}? Tell ${sender}`;
    else if (operation === 2) this.info = `${sender} is at ${this.hardwareAddress(offset + 8)}`;
  }

  private readIp(offset: number): void {
    const version = this.uint8(offset) >> 4;
    if (version === 4) this.readIpv4(offset);
    else if (version === 6) this.readIpv6(offset);
    else this.protocol ||= 'Unknown';
  }

  private readIpv4(offset: number): void {
    this.protocol = 'IPv4';
    this.source = this.ipv4Address(offset + 12);
    this.destination = this.ipv4Address(offset + 16);
    const headerBytes = 4 * (this.uint8(offset) & 0xf);
    const fragmentOffset = this.uint16(offset + 6) & 0x1fff;
    this.readTransport(this.uint8(offset + 9), offset + headerBytes, fragmentOffset > 0);
  }

  private readIpv6(offset: number): void {
    this.protocol = 'IPv6';
    this.source = this.ipv6Address(offset + 8);
    this.destination = this.ipv6Address(offset + 24);
    let next = this.uint8(offset + 6);
    let isLaterFragment = false;
    offset += 40;
    for (let count = 0; IPV6_EXTENSIONS.includes(next) && count < MAX_IPV6_EXTENSIONS; count++) {
      if (next === IPV6_FRAGMENT) isLaterFragment ||= this.uint16(offset + 2) >>> 3 > 0;
      const bytes =
        next === IPV6_FRAGMENT
          ? 8
          : next === AUTHENTICATION_HEADER
            ? 4 * (this.uint8(offset + 1) + 2)
            : 8 * (this.uint8(offset + 1) + 1);
      next = this.uint8(offset);
      offset += bytes;
    }
    this.readTransport(next, offset, isLaterFragment);
  }

  private readTransport(protocol: number, offset: number, isLaterFragment: boolean): void {
    this.protocol = IP_PROTOCOLS[protocol] ?? `IP protocol ${protocol}`;
    if (isLaterFragment) this.info = 'Fragment';
    else if (protocol === TCP || protocol === UDP) this.readPorts(protocol, offset);
    else if (protocol === ICMP) this.info = this.icmpType(ICMP_TYPES, offset);
    else if (protocol === ICMPV6) this.info = this.icmpType(ICMPV6_TYPES, offset);
  }

  private readPorts(protocol: number, offset: number): void {
    this.info = `${this.uint16(offset)} → ${this.uint16(offset + 2)}`;
    if (protocol !== TCP) return;
    const flags = this.uint8(offset + 13);
    this.info += ` [${TCP_FLAGS.filter((_, bit) => flags & (1 << bit)).join(', ')}]`;
  }

  private icmpType(names: Readonly<Record<number, string>>, offset: number): string {
    const type = this.uint8(offset);
    return names[type] ?? `Type ${type}`;
  }

  private hardwareAddress(offset: number): string {
    return Array.from({ length: 6 }, (_, index) => hex(this.uint8(offset + index), 2)).join(':');
  }

  private ipv4Address(offset: number): string {
    return Array.from({ length: 4 }, (_, index) => this.uint8(offset + index)).join('.');
  }

  /** Leaves out the longest run of zeros, and the first one of equal length, as RFC 5952 recommends. */
  private ipv6Address(offset: number): string {
    const groups = Array.from({ length: 8 }, (_, index) => this.uint16(offset + 2 * index).toString(16));
    let [start, length] = [0, 1];
    for (let from = 0, to; from < 8; from = to + 1) {
      for (to = from; groups[to] === '0'; to++);
      if (to - from > length) [start, length] = [from, to - from];
    }
    if (length === 1) return groups.join(':');
    return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
  }

  private uint8(offset: number): number {
    return this.view.getUint8(offset);
  }

  private uint16(offset: number): number {
    return this.view.getUint16(offset);
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
