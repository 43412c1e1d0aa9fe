import type { CaptureSpec, TcpConnection, TcpEndpoint } from '../../shared/protocol/capture-spec.js';

/**
 * A capture filter that leaves out the packets of some TCP connections and of all those at some endpoints, in either
 * direction; empty where there are none. The text is made of validated numbers and addresses only, so it may be
 * compiled anywhere.
 */
export function exclusionFilter({
  excludedConnections,
  excludedEndpoints,
}: Pick<CaptureSpec, 'excludedConnections' | 'excludedEndpoints'>): string {
  return [...excludedConnections.map(connectionFilter), ...excludedEndpoints.map(endpointFilter)]
    .map((excluded) => `not (tcp and (${excluded}))`)
    .join(' and ');
}

function connectionFilter({ address, port, peerAddress, peerPort }: TcpConnection): string {
  const there = `src host ${address} and src port ${port} and dst host ${peerAddress} and dst port ${peerPort}`;
  const back = `src host ${peerAddress} and src port ${peerPort} and dst host ${address} and dst port ${port}`;
  return `(${there}) or (${back})`;
}

/** Address and port must be of the same side: `host A and port P` would be true of A's connections to any P. */
function endpointFilter({ address, port }: TcpEndpoint): string {
  if (address === undefined) return `port ${port}`;
  if (port === undefined) return `host ${address}`;
  return `(src host ${address} and src port ${port}) or (dst host ${address} and dst port ${port})`;
}
