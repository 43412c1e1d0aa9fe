/**
 * Lists the network interfaces of a namespace and reads the messages of rtnetlink(7) that report their changes. Messages are
 * in host byte order, which is little-endian on all supported machines.
 */
import { closeSync } from 'node:fs';
import { openRouteNetlink, receive, send, SystemError } from './libc.js';

const RTMGRP_LINK = 1;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;
/** In an answer to a dump request: what is listed changed meanwhile, so that something may be missing. */
const NLM_F_DUMP_INTR = 0x10;

/** struct nlmsghdr: length, type, flags, sequence number, port id. */
const MESSAGE_HEADER_BYTES = 16;
/** struct ifinfomsg: family, hardware type, index, flags, change mask. */
const LINK_HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
const AF_UNSPEC = 0;
const IFLA_IFNAME = 3;
/**
 * RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h as the value of IFLA_EXT_MASK. With any such mask the kernel makes the messages of
 * a list as large as the largest interface needs. Without one, an interface with 20 alternative names does not fit, and the list
 * ends before it.
 */
const IFLA_EXT_MASK = 29;
const RTEXT_FILTER_SKIP_STATS = 8;
/** Attributes of four bytes that limit the size of a packet: MTU, and what segmentation offload joins, in either direction. */
const IFLA_SIZES: ReadonlySet<number> = new Set([
  4, // IFLA_MTU
  41, // IFLA_GSO_MAX_SIZE
  58, // IFLA_GRO_MAX_SIZE
  63, // IFLA_GSO_IPV4_MAX_SIZE
  64, // IFLA_GRO_IPV4_MAX_SIZE
]);
const IFF_UP = 1;

/** A network interface as the kernel reports it. */
export interface Interface {
  /** Unique in its namespace, and not reused for another interface there. */
  readonly index: number;
  readonly name: string;
  /** Administratively up: packets can be captured. */
  readonly up: boolean;
  /** Approximate maximum size of a packet, in bytes: 64 KiB, or more with "BIG TCP". */
  readonly maxPacketBytes: number;
}

export type LinkEvent =
  | { readonly type: 'present'; readonly interface: Interface }
  | { readonly type: 'gone'; readonly index: number }
  /** Interfaces came or went while they were listed: some may be missing in the list. */
  | { readonly type: 'inconsistent' }
  /** The answer to a dump request is complete. */
  | { readonly type: 'dump-done' }
  | { readonly type: 'failed'; readonly errno: number };

/** Larger than any message: the alternative names of an interface take up to 64 KiB, everything else a few. */
const datagram = Buffer.alloc(256 * 1024);

const MAX_ATTEMPTS = 5;

/** The interfaces of a namespace, and a socket that reports all changes since they were listed. */
export interface InterfaceList {
  /** A blocking rtnetlink(7) socket, for `receiveLinkEvents`; the caller closes it. */
  readonly fd: number;
  readonly interfaces: readonly Interface[];
  /** Whether no interface came or went while the kernel listed them: otherwise some may be missing. */
  readonly isConsistent: boolean;
}

/**
 * Lists the interfaces of the calling thread's network namespace and subscribes to their changes. Subscribing comes
 * first, so no change is missed in between.
 *
 * @throws SystemError
 */
export function listInterfaces(): InterfaceList {
  for (let attempt = 1; ; attempt++) {
    try {
      return tryToList();
    } catch (error) {
      // Changes came faster than they could be read.
      const overrun = error instanceof SystemError && error.code === 'ENOBUFS';
      if (!overrun || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

function tryToList(): InterfaceList {
  const fd = openRouteNetlink(RTMGRP_LINK);
  try {
    requestLinkDump(fd);
    const known = new Map<number, Interface>();
    let isConsistent = true;
    for (;;) {
      for (const event of receiveLinkEvents(fd, true) ?? []) {
        if (event.type === 'dump-done') return { fd, interfaces: [...known.values()], isConsistent };
        if (event.type === 'failed') throw new SystemError('rtnetlink', event.errno);
        if (event.type === 'inconsistent') isConsistent = false;
        else if (event.type === 'gone') known.delete(event.index);
        else known.set(event.interface.index, event.interface);
      }
    }
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Requests a list of all interfaces; it ends with a `dump-done` event. @throws SystemError */
export function requestLinkDump(fd: number): void {
  const mask = MESSAGE_HEADER_BYTES + LINK_HEADER_BYTES;
  const message = Buffer.alloc(mask + ATTRIBUTE_HEADER_BYTES + 4);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(RTM_GETLINK, 4);
  message.writeUInt16LE(NLM_F_REQUEST | NLM_F_DUMP, 6);
  message.writeUInt16LE(message.length - mask, mask);
  message.writeUInt16LE(IFLA_EXT_MASK, mask + 2);
  message.writeUInt32LE(RTEXT_FILTER_SKIP_STATS, mask + ATTRIBUTE_HEADER_BYTES);
  send(fd, message);
}

/**
 * Reads one datagram from an rtnetlink socket. Iterate over the events before the next call, which reuses their memory.
 *
 * @param wait whether to block until there is one
 * @returns undefined when there is none now
 * @throws SystemError `ENOBUFS`: messages were lost
 */
export function receiveLinkEvents(fd: number, wait: boolean): Iterable<LinkEvent> | undefined {
  const length = receive(fd, datagram, wait);
  return length < 0 ? undefined : parseLinkMessages(datagram.subarray(0, Math.min(length, datagram.length)));
}

/** @param bytes one datagram, which holds one or several messages */
export function* parseLinkMessages(bytes: Buffer): Generator<LinkEvent> {
  let offset = 0;
  while (offset + MESSAGE_HEADER_BYTES <= bytes.length) {
    const length = bytes.readUInt32LE(offset);
    if (length < MESSAGE_HEADER_BYTES || offset + length > bytes.length) return;
    if ((bytes.readUInt16LE(offset + 6) & NLM_F_DUMP_INTR) !== 0) yield { type: 'inconsistent' };
    const event = parseMessage(
      bytes.readUInt16LE(offset + 4),
      bytes.subarray(offset + MESSAGE_HEADER_BYTES, offset + length),
    );
    if (event) yield event;
    offset += aligned(length);
  }
}

function parseMessage(type: number, payload: Buffer): LinkEvent | undefined {
  switch (type) {
    case RTM_NEWLINK:
      return ofInterfaceItself(payload) ? parseLink(payload) : undefined;
    case RTM_DELLINK:
      return ofInterfaceItself(payload) ? { type: 'gone', index: payload.readInt32LE(4) } : undefined;
    case NLMSG_DONE:
      // A list that could not be completed ends with an error.
      return failure(payload) ?? { type: 'dump-done' };
    case NLMSG_ERROR:
      return failure(payload);
    default:
      return undefined;
  }
}

function failure(payload: Buffer): LinkEvent | undefined {
  const errno = payload.length < 4 ? 0 : -payload.readInt32LE(0);
  return errno > 0 ? { type: 'failed', errno } : undefined;
}

/** Messages of family AF_BRIDGE are about a port of a bridge: an interface that leaves its bridge still exists. */
function ofInterfaceItself(payload: Buffer): boolean {
  return payload.length >= LINK_HEADER_BYTES && payload.readUInt8(0) === AF_UNSPEC;
}

function parseLink(payload: Buffer): LinkEvent | undefined {
  const index = payload.readInt32LE(4);
  const up = (payload.readUInt32LE(8) & IFF_UP) !== 0;
  let name: string | undefined;
  let maxPacketBytes = 0;
  for (const { type, value } of attributes(payload.subarray(LINK_HEADER_BYTES))) {
    if (type === IFLA_IFNAME) name = value.toString('utf8', 0, value.length - 1); // without the NUL at its end
    if (IFLA_SIZES.has(type)) maxPacketBytes = Math.max(maxPacketBytes, value.readUInt32LE(0));
  }
  return name === undefined ? undefined : { type: 'present', interface: { index, name, up, maxPacketBytes } };
}

/** The attributes after the fixed part of a message; see rtnetlink(7), struct rtattr. */
function* attributes(list: Buffer): Generator<{ readonly type: number; readonly value: Buffer }> {
  let offset = 0;
  while (offset + ATTRIBUTE_HEADER_BYTES <= list.length) {
    const length = list.readUInt16LE(offset);
    if (length < ATTRIBUTE_HEADER_BYTES || offset + length > list.length) return;
    yield {
      type: list.readUInt16LE(offset + 2),
      value: list.subarray(offset + ATTRIBUTE_HEADER_BYTES, offset + length),
    };
    offset += aligned(length);
  }
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}
