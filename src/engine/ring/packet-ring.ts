import { closeSync } from 'node:fs';
import {
  attachSocketFilter,
  mapMemory,
  SystemError,
  throwSocketError,
  unmapMemory,
} from '../../shared/linux/libc.js';
import type { Pointer } from '../../shared/linux/native.js';
import { RING_BLOCK_BYTES } from '../capture/ring-block.js';
import { ARPHRD_LOOPBACK, LINK_TYPES, type LinkType } from './link-types.js';
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

/**
 * The kernel hands over a block after its time, however little is in it: the shorter the blocks, the more of them, and the
 * longer the ring lasts while its reader is kept waiting. A block must have room for the largest packet.
 */
const SHORT_BLOCK_BYTES = RING_BLOCK_BYTES / 2;
/** What the kernel notes in a block, and of a packet, and link-layer headers. */
const NOTES_BYTES = 1024;

export interface PacketRingOptions {
  readonly interfaceIndex: number;
  /** About the most that a packet of the interface has. */
  readonly largestPacketBytes: number;
  readonly promiscuous: boolean;
  /** Size of the ring, in bytes: a multiple of `RING_BLOCK_BYTES`. */
  readonly ringBytes: number;
  /** After how long the kernel hands over a block that is not full, in milliseconds. */
  readonly blockTimeoutMs: number;
}

/** A packet socket and its ring, mapped into the memory of this process; plain facts, to be passed between threads. */
export interface PacketRing {
  readonly fd: number;
  readonly address: Pointer;
  readonly bytes: number;
  readonly blockBytes: number;
  readonly interfaceIndex: number;
  readonly type: LinkType;
}

/**
 * Creates a ring for an interface of the thread's network namespace; no packet comes in before `startPacketRing`, so
 * that none comes in unfiltered. Takes the kernel 10 ms, during which the thread stands still.
 *
 * @returns undefined when the interface is of a kind that is left to libpcap
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
    // What leaves by the loopback interface comes in again.
    if (kind === ARPHRD_LOOPBACK) ignoreOutgoing(fd);
    const blockBytes =
      options.largestPacketBytes + NOTES_BYTES <= SHORT_BLOCK_BYTES ? SHORT_BLOCK_BYTES : RING_BLOCK_BYTES;
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
 * From now on only packets that pass are received.
 *
 * @param instructions classic BPF
 * @returns whether the kernel takes the program; there are limits to its size: BPF_MAXINSNS, and net.core.optmem_max
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

/** Begins to receive. @throws SystemError `ENETDOWN`: the interface is down; `ENODEV`: it has gone */
export function startPacketRing({ fd, interfaceIndex }: PacketRing): void {
  bindToInterface(fd, interfaceIndex, ALL_PROTOCOLS);
  throwSocketError(fd);
}

/** Nobody may read from the ring any more. Takes the kernel 10 ms and more, during which the thread stands still. */
export function closePacketRing({ fd, address, bytes }: PacketRing): void {
  unmapMemory(address, bytes);
  closeSync(fd);
}
