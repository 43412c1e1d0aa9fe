import { once } from 'node:events';
import type { Server } from 'node:http';
import { createServer, type AddressInfo, type Server as TcpServer, type ServerOpts } from 'node:net';

/** As a host to listen on: all addresses, IPv6 and IPv4. */
export const ALL_ADDRESSES = '::';

/** Errors of a machine without IPv6, or without IPv6 at its loopback interface. */
const NO_IPV6: ReadonlySet<string | undefined> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

/**
 * Makes a server listen.
 *
 * @param host undefined: on the loopback addresses, 127.0.0.1 and ::1
 * @param options of the connections, as those of the server
 * @returns a second server, whose connections go to the first one: Node.js listens on one address per server
 */
export async function listen(
  server: Server,
  port: number,
  host: string | undefined,
  options: ServerOpts,
): Promise<TcpServer | undefined> {
  // Node.js listens on all addresses if it is given none, and on those of IPv4 only where there is no IPv6.
  if (host === ALL_ADDRESSES) server.listen(port);
  else server.listen(port, host ?? '127.0.0.1');
  await once(server, 'listening');
  if (host !== undefined) return undefined;

  const { port: boundPort } = server.address() as AddressInfo;
  const second = createServer({ ...options, allowHalfOpen: true }, (socket) =>
    server.emit('connection', socket),
  );
  try {
    await once(second.listen(boundPort, '::1'), 'listening');
  } catch (error) {
    if (!NO_IPV6.has((error as NodeJS.ErrnoException).code)) throw error;
    return undefined;
  }
  return second;
}
