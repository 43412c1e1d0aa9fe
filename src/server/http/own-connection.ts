import { isIPv6 } from 'node:net';
import type { Socket } from 'node:net';
import type { TcpConnection } from '../../shared/protocol/protocol.js';

/** The connection that carries a capture and so must not be in it; undefined once it is gone. */
export function ownConnection(
  socket: Pick<Socket, 'localAddress' | 'localPort' | 'remoteAddress' | 'remotePort'>,
): TcpConnection | undefined {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  if (!localAddress || !localPort || !remoteAddress || !remotePort) return undefined;
  return {
    address: addressLiteral(localAddress),
    port: localPort,
    peerAddress: addressLiteral(remoteAddress),
    peerPort: remotePort,
  };
}

/** The other end of a connection, for people. */
export function clientOf({
  remoteAddress,
  remotePort,
}: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${addressLiteral(remoteAddress ?? 'nobody')} port ${remotePort}`;
}

/** An address as it stands in packets: a dual-stack socket shows IPv4 as `::ffff:192.0.2.1`, a link-local one has `%eth0`. */
export function addressLiteral(address: string): string {
  const [withoutZone = ''] = address.split('%', 1);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(withoutZone)?.[1];
  return mapped !== undefined && isIPv6(withoutZone) ? mapped : withoutZone;
}
