import { Logger } from '@nestjs/common';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { clientNetwork } from '../../shared/client-network.js';

/** Limits of a server, each of which one client cannot exhaust alone. */
export interface ConnectionLimits {
  /** Connections in all. One client may have half of them. */
  readonly maxConnections: number;
  /** Least number of bytes of a request body in `uploadWindowMs`, as long as the service reads them. */
  readonly minUploadBytes?: number;
  readonly uploadWindowMs?: number;
}

/**
 * Closes connections beyond the limit, and those whose client sends a request body too slowly. The time for the headers
 * is limited by Node.js (`headersTimeout`).
 *
 * @returns the connections that are open, including upgraded ones
 */
export function limitConnections(server: Server, limits: ConnectionLimits): ReadonlySet<Socket> {
  const { maxConnections, minUploadBytes = 10 * 1024, uploadWindowMs = 10_000 } = limits;
  const log = new Logger('Http');
  const sockets = new Set<Socket>();
  const byClient = new Map<string, number>();

  server.on('connection', (socket: Socket) => {
    const client = clientNetwork(socket.remoteAddress ?? '');
    const ofClient = byClient.get(client) ?? 0;
    const isClientLimit = ofClient >= maxConnections / 2;
    if (isClientLimit || sockets.size >= maxConnections) {
      const limit = isClientLimit ? `${ofClient} connections of one client` : `${sockets.size} connections`;
      log.warn({ message: `closed a new connection: the limit of ${limit} is reached`, client });
      return void socket.destroy();
    }
    sockets.add(socket);
    byClient.set(client, ofClient + 1);
    socket.once('close', () => {
      sockets.delete(socket);
      const left = (byClient.get(client) ?? 0) - 1;
      if (left > 0) byClient.set(client, left);
      else byClient.delete(client);
    });
  });

  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket, headers } = request;
    if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) return;
    let bytesBefore = socket.bytesRead;
    const timer = setInterval(() => {
      // A request that was answered before its end has no `close` event if the connection breaks.
      if (request.complete || socket.destroyed) return clearInterval(timer);
      // If bytes are waiting, it is not the client that is slow.
      const isSlow = socket.bytesRead - bytesBefore < minUploadBytes && request.readableLength === 0;
      // Nobody needs the rest of a body after the answer.
      if (isSlow || response.writableFinished) socket.destroy();
      bytesBefore = socket.bytesRead;
    }, uploadWindowMs).unref();
    request.once('close', () => clearInterval(timer));
  });
  return sockets;
}
