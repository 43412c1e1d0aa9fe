/** The few messages of rtnetlink(7) that tell which network interfaces there are. All in host byte order: little. */

export const RTMGRP_LINK = 1;

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;

/** struct nlmsghdr: length, type, flags, sequence number, port id. */
const MESSAGE_HEADER_BYTES = 16;
/** struct ifinfomsg: family, hardware type, index, flags, change mask. */
const LINK_HEADER_BYTES = 16;
const ATTRIBUTE_HEADER_BYTES = 4;
const AF_UNSPEC = 0;
const IFLA_IFNAME = 3;
/** Attributes of four bytes that bound how large a packet may be: MTU, and what segmentation offload joins, either way. */
const IFLA_SIZES: ReadonlySet<number> = new Set([
  4, // IFLA_MTU
  41, // IFLA_GSO_MAX_SIZE
  58, // IFLA_GRO_MAX_SIZE
  63, // IFLA_GSO_IPV4_MAX_SIZE
  64, // IFLA_GRO_IPV4_MAX_SIZE
]);
const IFF_UP = 1;

/** A network interface as the kernel tells of it. */
export interface Interface {
  /** Unique in its namespace, and never used twice there while it lives. */
  readonly index: number;
  readonly name: string;
  /** Administratively up: packets can be captured. */
  readonly up: boolean;
  /** About the most that a packet has, in bytes: 64 KiB, or more with "BIG TCP". */
  readonly largestPacketBytes: number;
}

export type LinkEvent =
  | { readonly type: 'present'; readonly interface: Interface }
  | { readonly type: 'gone'; readonly index: number }
  /** The answer to a dump request is complete. */
  | { readonly type: 'dump-done' }
  | { readonly type: 'failed'; readonly errno: number };

/** Asks for all interfaces of the namespace. */
export function linkDumpRequest(): Buffer {
  const message = Buffer.alloc(MESSAGE_HEADER_BYTES + LINK_HEADER_BYTES);
  message.writeUInt32LE(message.length, 0);
  message.writeUInt16LE(RTM_GETLINK, 4);
  message.writeUInt16LE(NLM_F_REQUEST | NLM_F_DUMP, 6);
  return message;
}

/** @param datagram what one recv(2) returned: one or several messages */
export function* parseLinkMessages(datagram: Buffer): Generator<LinkEvent> {
  let offset = 0;
  while (offset + MESSAGE_HEADER_BYTES <= datagram.length) {
    const length = datagram.readUInt32LE(offset);
    if (length < MESSAGE_HEADER_BYTES || offset + length > datagram.length) return;
    const event = parseMessage(
      datagram.readUInt16LE(offset + 4),
      datagram.subarray(offset + MESSAGE_HEADER_BYTES, offset + length),
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
      return { type: 'dump-done' };
    case NLMSG_ERROR: {
      const errno = -payload.readInt32LE(0);
      return errno === 0 ? undefined : { type: 'failed', errno };
    }
    default:
      return undefined;
  }
}

/** Messages of family AF_BRIDGE tell of an interface as a bridge's port: to leave the bridge is not to be gone. */
function ofInterfaceItself(payload: Buffer): boolean {
  return payload.length >= LINK_HEADER_BYTES && payload.readUInt8(0) === AF_UNSPEC;
}

function parseLink(payload: Buffer): LinkEvent | undefined {
  const index = payload.readInt32LE(4);
  const up = (payload.readUInt32LE(8) & IFF_UP) !== 0;
  let name: string | undefined;
  let largestPacketBytes = 0;
  for (const { type, value } of attributes(payload.subarray(LINK_HEADER_BYTES))) {
    if (type === IFLA_IFNAME) name = value.toString('utf8', 0, value.length - 1); // without the NUL at its end
    if (IFLA_SIZES.has(type)) largestPacketBytes = Math.max(largestPacketBytes, value.readUInt32LE(0));
  }
  return name === undefined
    ? undefined
    : { type: 'present', interface: { index, name, up, largestPacketBytes } };
}

/** What follows the fixed part of a message; see rtnetlink(7), struct rtattr. */
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
