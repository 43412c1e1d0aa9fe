import type { Child } from './child.js';
import type { NetworkNamespace } from './namespace.js';

const SEND_PROGRAM = new URL('./programs/send-packets.ts', import.meta.url).pathname;

/** Begins the payload of every packet; flow and sequence number follow, 32 bits each, big-endian. */
const TAG_MAGIC = Buffer.from('PFLX');
const TAG_SEARCH_BYTES = 128;

/** What to send into an interface: UDP in IPv4, in Ethernet unless the interface is a tun. */
export interface PacketOrder {
  readonly interface: string;
  /** How many; absent: until stopped. */
  readonly count?: number;
  /** Frame sizes in bytes, the link layer header included, used in turn. */
  readonly sizes?: readonly number[];
  /** VLAN identifiers, used in turn; 0: no tag. */
  readonly vlans?: readonly number[];
  readonly udpPort?: number;
  readonly destinationMac?: string;
  /** Tells apart several senders. */
  readonly flow?: number;
  /** Absent: as fast as it goes. */
  readonly ratePerSecond?: number;
  /** The interface is a tun: bare IP packets are written into its device, and come in from there. */
  readonly tun?: boolean;
}

/** What tells one sent packet from all others. */
export interface PacketTag {
  readonly flow: number;
  readonly sequence: number;
}

/** A sender at work in a namespace. */
export class PacketSender implements AsyncDisposable {
  private constructor(private readonly child: Child) {}

  static async start(namespace: NetworkNamespace, order: PacketOrder): Promise<PacketSender> {
    const child = await namespace.start(process.execPath, SEND_PROGRAM, JSON.stringify(order));
    await child.saying(/sending/);
    return new PacketSender(child);
  }

  /** Waits until all are sent; gives how many. */
  async finished(): Promise<number> {
    const [, sent] = /sent (\d+)/.exec(await this.child.succeeded()) ?? [];
    return Number(sent);
  }

  /** Sends no more; gives how many were sent. */
  stop(): Promise<number> {
    this.child.signal('SIGTERM');
    return this.finished();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.child[Symbol.asyncDispose]();
  }
}

/** Sends tagged packets and comes back when the kernel has taken the last. */
export async function sendPackets(
  namespace: NetworkNamespace,
  order: PacketOrder & { readonly count: number },
): Promise<void> {
  await using sender = await PacketSender.start(namespace, order);
  const sent = await sender.finished();
  if (sent !== order.count) {
    throw new Error(`only ${sent} of ${order.count} packets could be sent`);
  }
}

/** The tag of a packet as captured; undefined: it is none of ours. */
export function tagOf(data: Buffer): PacketTag | undefined {
  const at = data.subarray(0, TAG_SEARCH_BYTES).indexOf(TAG_MAGIC);
  if (at < 0 || data.length < at + TAG_MAGIC.length + 8) {
    return undefined;
  }
  return { flow: data.readUInt32BE(at + 4), sequence: data.readUInt32BE(at + 8) };
}
