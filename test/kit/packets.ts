import type { Child } from './child.js';
import type { NetworkNamespace } from './namespace.js';

const SEND_PROGRAM = new URL('./programs/send-packets.ts', import.meta.url).pathname;

/** Start of each payload, followed by flow and sequence number (32 bits each, big-endian). */
const TAG_MAGIC = Buffer.from('PFLX');
const TAG_SEARCH_BYTES = 128;

/** Packets to send into an interface: UDP in IPv4, in Ethernet unless the interface is a tun. */
export interface PacketSpec {
  readonly interface: string;
  /** Default: until stopped. */
  readonly count?: number;
  /** Frame sizes in bytes, including the link-layer header, used in turn. */
  readonly sizes?: readonly number[];
  /** VLAN identifiers, used in turn; 0: no tag. */
  readonly vlans?: readonly number[];
  readonly udpPort?: number;
  readonly destinationMac?: string;
  /** Distinguishes senders. */
  readonly flow?: number;
  /** Default: as fast as possible. */
  readonly ratePerSecond?: number;
  /** Number of packets after which the sender pauses, until `sendBatch` is called. */
  readonly batch?: number;
  /** The interface is a tun: IP packets are written to its device, so that the interface receives them. */
  readonly tun?: boolean;
}

/** Identifies a sent packet. */
export interface PacketTag {
  readonly flow: number;
  readonly sequence: number;
}

/** A process that sends packets in a namespace. */
export class PacketSender implements AsyncDisposable {
  private constructor(private readonly child: Child) {}

  static async start(namespace: NetworkNamespace, spec: PacketSpec): Promise<PacketSender> {
    const child = await namespace.start(process.execPath, SEND_PROGRAM, JSON.stringify(spec));
    await child.saying(/sending/);
    return new PacketSender(child);
  }

  /** Waits until all packets are sent; returns their number. */
  async finished(): Promise<number> {
    const [, sent] = /sent (\d+)/.exec(await this.child.succeeded()) ?? [];
    return Number(sent);
  }

  /** Sends the next batch. The previous one must have been captured: signals do not queue. */
  sendBatch(): void {
    this.child.signal('SIGUSR2');
  }

  /** Stops sending; returns the number of packets sent. */
  stop(): Promise<number> {
    this.child.signal('SIGTERM');
    return this.finished();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.child[Symbol.asyncDispose]();
  }
}

/** Sends tagged packets; resolves when the kernel has accepted the last one. */
export async function sendPackets(
  namespace: NetworkNamespace,
  spec: PacketSpec & { readonly count: number },
): Promise<void> {
  await using sender = await PacketSender.start(namespace, spec);
  const sent = await sender.finished();
  if (sent !== spec.count) {
    throw new Error(`only ${sent} of ${spec.count} packets could be sent`);
  }
}

/** The tag of a captured packet, or undefined if no test has sent it. */
export function tagOf(data: Buffer): PacketTag | undefined {
  const at = data.subarray(0, TAG_SEARCH_BYTES).indexOf(TAG_MAGIC);
  if (at < 0 || data.length < at + TAG_MAGIC.length + 8) {
    return undefined;
  }
  return { flow: data.readUInt32BE(at + 4), sequence: data.readUInt32BE(at + 8) };
}
