import type { Socket } from 'node:net';
import type { TcpConnection } from '../../shared/protocol/capture-spec.js';
import { addressLiteral } from '../../shared/protocol/tcp-endpoint.js';

/** The connection that carries a capture and must be excluded from it; undefined if it is closed. */
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

/** Address and port of the client, for the log. */
export function clientOf({
  remoteAddress,
  remotePort,
}: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${addressLiteral(remoteAddress ?? 'unknown')} port ${remotePort}`;
}
