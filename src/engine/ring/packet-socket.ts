/**
 * The part of packet(7), packet sockets, that the engine uses. Their rings are described in
 * https://www.kernel.org/doc/html/latest/networking/packet_mmap.html; the numbers are those of linux/if_packet.h.
 */
import {
  bindSocket,
  openSocket,
  setSocketOption,
  socketName,
  socketOption,
} from '../../shared/linux/libc.js';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_RX_RING = 5;
const PACKET_STATISTICS = 6;
const PACKET_VERSION = 10;
const PACKET_RESERVE = 12;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_MR_PROMISC = 1;
const TPACKET_V3 = 2;

/** struct sockaddr_ll: family, protocol, interface index, hardware type, packet type, hardware address. */
const ADDRESS_BYTES = 20;
const HARDWARE_TYPE_OFFSET = 8;

/** A packet socket that is bound to this protocol receives nothing. */
export const NO_PROTOCOL = 0;
/** ETH_P_ALL in network byte order. */
export const ALL_PROTOCOLS = 0x0300;

/** A packet socket that receives nothing yet. @throws SystemError `EPERM` without CAP_NET_RAW */
export function openPacketSocket(): number {
  return openSocket(AF_PACKET, SOCK_RAW, NO_PROTOCOL);
}

/** Binds to an interface of the namespace in which the socket was opened. @throws SystemError `ENODEV`: it has gone */
export function bindToInterface(fd: number, interfaceIndex: number, protocol: number): void {
  const address = Buffer.alloc(ADDRESS_BYTES);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16LE(protocol, 2);
  address.writeInt32LE(interfaceIndex, 4);
  bindSocket(fd, address);
}

/** The ARPHRD_ value of the interface that the socket is bound to. */
export function hardwareType(fd: number): number {
  const address = Buffer.alloc(ADDRESS_BYTES);
  socketName(fd, address);
  return address.readUInt16LE(HARDWARE_TYPE_OFFSET);
}

/** Makes the interface promiscuous until the socket is closed. */
export function makePromiscuous(fd: number, interfaceIndex: number): void {
  const membership = Buffer.alloc(16); // struct packet_mreq: interface index, type, length and bytes of an address
  membership.writeInt32LE(interfaceIndex, 0);
  membership.writeUInt16LE(PACKET_MR_PROMISC, 4);
  setSocketOption(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership);
}

/** Does not receive packets that leave by the interface; since Linux 4.20. */
export function ignoreOutgoing(fd: number): void {
  setSocketOption(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, int(1));
}

/** Dimensions of a ring. */
export interface RingLayout {
  readonly blockBytes: number;
  readonly blocks: number;
  /** After how long the kernel hands over a block that is not full, in milliseconds. */
  readonly blockTimeoutMs: number;
  /** Room that the kernel leaves before each packet, in bytes. */
  readonly reservedBytes: number;
}

/** Has the socket receive into a TPACKET_V3 ring. Blocks the thread for 10 ms. */
export function createRing(fd: number, layout: RingLayout): void {
  setSocketOption(fd, SOL_PACKET, PACKET_VERSION, int(TPACKET_V3));
  setSocketOption(fd, SOL_PACKET, PACKET_RESERVE, int(layout.reservedBytes));
  const { blockBytes, blocks, blockTimeoutMs } = layout;
  // struct tpacket_req3: block size and number, frame size and number, timeout, private bytes, features. With V3,
  // frames have the length of their packets; the kernel only checks that the frame size given here fits the block size.
  const request = Buffer.alloc(28);
  [blockBytes, blocks, blockBytes, blocks, blockTimeoutMs].forEach((word, i) =>
    request.writeUInt32LE(word, 4 * i),
  );
  setSocketOption(fd, SOL_PACKET, PACKET_RX_RING, request);
}

const statistics = new Uint32Array(3); // struct tpacket_stats_v3: packets, drops, freeze_q_cnt

/**
 * PACKET_STATISTICS: packets that a packet socket received, and those of them that were dropped because its ring was full,
 * since the last call.
 */
export function takePacketStatistics(fd: number): { packets: number; drops: number } {
  socketOption(fd, SOL_PACKET, PACKET_STATISTICS, statistics);
  return { packets: statistics[0] ?? 0, drops: statistics[1] ?? 0 };
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}
