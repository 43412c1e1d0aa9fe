import type { NetworkNamespace } from './namespace.js';

/** The discard service: nobody listens. */
const PORT = 9;

/** Sends one tagged packet through `lo`, which has to be up: cheaper than a sender of packets.ts. */
export async function sendTagged(namespace: NetworkNamespace, flow: number, sequence = 0): Promise<void> {
  const tag = Buffer.alloc(12);
  tag.write('PFLX');
  tag.writeUInt32BE(flow, 4);
  tag.writeUInt32BE(sequence, 8);
  const escaped = [...tag].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  // The shell writes line by line, and a line feed may be in it; cat writes all at once.
  await namespace.exec('bash', '-c', `printf '${escaped}' | cat > /dev/udp/127.0.0.1/${PORT}`);
}
