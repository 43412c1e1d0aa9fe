/** Opens, filters, starts and closes packet rings; their packets are read by ring-packet-reader.ts. See packet(7). */
import { closeSync } from 'node:fs';
import {
  attachSocketFilter,
  mapMemory,
  SystemError,
  throwSocketError,
  unmapMemory,
} from '../../shared/linux/libc.js';
import type { Pointer } from '../../shared/linux/native.js';
import { RING_BLOCK_BYTES } from '../capture/ring-budget.js';
import {
  ALL_PROTOCOLS,
  bindToInterface,
  createRing,
  hardwareType,
  ignoreOutgoing,
  makePromiscuous,
  NO_PROTOCOL,
  openPacketSocket,
} from './packet-socket.js';

/** How the packets of a kind of interface begin. */
export interface LinkType {
  /** DLT_ value, which libpcap's functions use. */
  readonly dlt: number;
  /** LINKTYPE_ value, which files use, see https://www.tcpdump.org/linktypes.html. */
  readonly linkType: number;
  /** Length of the addresses, which a VLAN tag follows; absent: the link type has no tags. */
  readonly vlanTagOffset?: number;
  /** Room that the kernel leaves before each packet, so that it begins at a multiple of four. */
  readonly reservedBytes: number;
}

/** The kernel aligns what follows the 14 bytes of the Ethernet header. */
const ETHERNET: LinkType = { dlt: 1, linkType: 1, vlanTagOffset: 12, reservedBytes: 2 };
/** No link-layer header: packets begin with their IPv4 or IPv6 header. */
const RAW_IP: LinkType = { dlt: 12, linkType: 101, reservedBytes: 0 };

const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;
const ARPHRD_NONE = 0xfffe;

/**
 * Link types by the ARPHRD_ values of linux/if_arp.h. They cover nearly all interfaces of containers and their hosts: veth,
 * bridges, network cards, loopback, WireGuard and tun. libpcap supports about fifty more.
 */
const LINK_TYPES: ReadonlyMap<number, LinkType> = new Map([
  [ARPHRD_ETHER, ETHERNET],
  [ARPHRD_LOOPBACK, ETHERNET],
  [ARPHRD_NONE, RAW_IP],
]);

/**
 * The kernel hands over a block when its timeout expires, however little it contains. The shorter the blocks, the more blocks
 * a ring has, and the longer it lasts while its reader waits. A block must have room for the largest packet, and be a
 * multiple of the page size, which is 64 KiB on some arm64 machines.
 */
const SHORT_BLOCK_BYTES = RING_BLOCK_BYTES / 2;
/** Room for the headers of a block and a packet, and for link-layer headers. */
const HEADERS_BYTES = 1024;

export interface PacketRingOptions {
  readonly interfaceIndex: number;
  /** Approximate maximum size of a packet of the interface. */
  readonly maxPacketBytes: number;
  readonly promiscuous: boolean;
  /** Size of the ring, in bytes: a multiple of `RING_BLOCK_BYTES`. */
  readonly ringBytes: number;
  /** After how long the kernel hands over a block that is not full, in milliseconds. */
  readonly blockTimeoutMs: number;
}

/** A packet socket and its ring, mapped into the memory of this process. Plain data, so threads can pass it on. */
export interface PacketRing {
  readonly fd: number;
  readonly address: Pointer;
  readonly bytes: number;
  readonly blockBytes: number;
  readonly interfaceIndex: number;
  readonly type: LinkType;
}

/**
 * Creates a ring for an interface of the thread's network namespace. It receives nothing before `startPacketRing`, so
 * that no packet bypasses the filter. Blocks the thread for 10 ms.
 *
 * @returns undefined when only libpcap supports this kind of interface
 * @throws SystemError
 */
export function createPacketRing(options: PacketRingOptions): PacketRing | undefined {
  const { interfaceIndex, promiscuous, ringBytes: bytes, blockTimeoutMs } = options;
  const fd = openPacketSocket();
  try {
    bindToInterface(fd, interfaceIndex, NO_PROTOCOL);
    const kind = hardwareType(fd);
    const type = LINK_TYPES.get(kind);
    if (!type) {
      closeSync(fd);
      return undefined;
    }
    // Packets that leave by the loopback interface are received again.
    if (kind === ARPHRD_LOOPBACK) ignoreOutgoing(fd);
    const blockBytes =
      options.maxPacketBytes + HEADERS_BYTES <= SHORT_BLOCK_BYTES ? SHORT_BLOCK_BYTES : RING_BLOCK_BYTES;
    createRing(fd, {
      blockBytes,
      blocks: bytes / blockBytes,
      blockTimeoutMs,
      reservedBytes: type.reservedBytes,
    });
    if (promiscuous) makePromiscuous(fd, interfaceIndex);
    return { fd, address: mapMemory(fd, bytes), bytes, blockBytes, interfaceIndex, type };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Restricts the ring to packets that pass the program.
 *
 * @param instructions classic BPF
 * @returns whether the kernel accepts the program; its size is limited by BPF_MAXINSNS and net.core.optmem_max
 * @throws SystemError
 */
export function filterPacketRing({ fd }: PacketRing, instructions: Uint8Array): boolean {
  try {
    attachSocketFilter(fd, instructions);
    return true;
  } catch (error) {
    if (error instanceof SystemError && (error.code === 'EINVAL' || error.code === 'ENOMEM')) return false;
    throw error;
  }
}

/** Begins to receive packets. @throws SystemError `ENETDOWN`: the interface is down; `ENODEV`: it has gone */
export function startPacketRing({ fd, interfaceIndex }: PacketRing): void {
  bindToInterface(fd, interfaceIndex, ALL_PROTOCOLS);
  throwSocketError(fd);
}

/** Closes a ring that is no longer read. Blocks the thread for 10 ms and more. */
export function closePacketRing({ fd, address, bytes }: PacketRing): void {
  unmapMemory(address, bytes);
  closeSync(fd);
}
