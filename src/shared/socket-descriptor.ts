import type { Socket } from 'node:net';

/**
 * The descriptor of a socket, which Node.js does not document. It must be read each time, because the number may refer to
 * something else once the socket is closed.
 *
 * @returns undefined when the socket is closed
 */
export function descriptorOf(socket: Socket): number | undefined {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } | null };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}
