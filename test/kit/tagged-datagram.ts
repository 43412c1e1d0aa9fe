import type { NetworkNamespace } from './namespace.js';

/** The discard service, on which no program listens. */
const PORT = 9;

/** Sends one tagged packet through `lo`, which must be up. This takes less time than starting a `PacketSender`. */
export async function sendTagged(namespace: NetworkNamespace, flow: number, sequence = 0): Promise<void> {
  const tag = Buffer.alloc(12);
  tag.write('PFLX');
  tag.writeUInt32BE(flow, 4);
  tag.writeUInt32BE(sequence, 8);
  const escaped = [...tag].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  // The tag may contain a line feed, at which the shell would split the datagram; cat writes it in one piece.
  await namespace.exec('bash', '-c', `printf '${escaped}' | cat > /dev/udp/127.0.0.1/${PORT}`);
}
