import type { TcpConnection } from '../protocol.js';

/**
 * A capture filter that leaves out the packets of some TCP connections, in either direction. The text is made of
 * validated numbers and addresses only, so it may be compiled anywhere.
 */
export function excludingFilter(connections: readonly TcpConnection[]): string {
  return connections.map((connection) => `not (${connectionFilter(connection)})`).join(' and ');
}

function connectionFilter({ address, port, peerAddress, peerPort }: TcpConnection): string {
  const there = `src host ${address} and src port ${port} and dst host ${peerAddress} and dst port ${peerPort}`;
  const back = `src host ${peerAddress} and src port ${peerPort} and dst host ${address} and dst port ${port}`;
  return `tcp and ((${there}) or (${back}))`;
}
