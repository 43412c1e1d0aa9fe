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
  /** Bytes of all responses that wait for their clients to read them. */
  readonly maxUnreadBytes?: number;
  /** Time within which a client must read something of the response that waits for it. */
  readonly readWindowMs?: number;
}

/** Event of a response: a stream of unknown length follows its head, and its writer deals with a client that does not read. */
export const STREAMING = 'streaming';

/** The connections of a server. */
export interface ServerConnections {
  /** Those that are open, including upgraded ones. */
  readonly open: ReadonlySet<Socket>;
  /** Whether a response is still being sent. */
  isAnswering(socket: Socket): boolean;
}

/** Unanswered requests that one connection may have (pipelining, RFC 9112, 9.3.2). Hardly any client has more than one. */
const MAX_UNANSWERED = 4;

/** Minimum time between two checks of the unread bytes, each of which looks at every connection. */
const CHECK_INTERVAL_MS = 100;

/**
 * Closes connections beyond the limit, and those whose client sends a request body too slowly, does not read its response, or
 * sends further requests without waiting for responses. The time for the headers is limited by Node.js (`headersTimeout`).
 */
export function limitConnections(server: Server, limits: ConnectionLimits): ServerConnections {
  const { maxConnections, minUploadBytes = 10 * 1024, uploadWindowMs = 10_000 } = limits;
  const { maxUnreadBytes = 64 * 1024 * 1024, readWindowMs = 30_000 } = limits;
  const unanswered = new Unanswered();
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

  // Before the application sees the request, which ignores those of a destroyed socket.
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    if (socket.destroyed) return;
    // A stream has no end after which another response could come.
    if (unanswered.isStreaming(socket)) return void socket.destroy();
    if (unanswered.add(response, socket) > MAX_UNANSWERED) socket.destroy();
    unanswered.limitTo(maxUnreadBytes);
  });

  const reading = setInterval(() => unanswered.destroyStuck(), readWindowMs).unref();
  server.once('close', () => clearInterval(reading));

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
  return { open: sockets, isAnswering: (socket) => unanswered.has(socket) };
}

/** The responses of each connection that have not been sent completely. */
class Unanswered {
  private readonly bySocket = new Map<Socket, Set<ServerResponse>>();
  private readonly streaming = new WeakSet<Socket>();
  private checkedAtMs = -Infinity;
  /** Bytes that the kernel had accepted for each connection at the last `destroyStuck`. */
  private acceptedBytes = new Map<Socket, number>();

  /** @returns how many there are for this connection now */
  add(response: ServerResponse, socket: Socket): number {
    const responses = this.bySocket.get(socket) ?? new Set();
    if (!this.bySocket.has(socket)) {
      this.bySocket.set(socket, responses);
      // A response whose turn has not come has no `close` event when the connection breaks.
      socket.once('close', () => this.bySocket.delete(socket));
    }
    responses.add(response);
    response.once('close', () => responses.delete(response));
    response.once(STREAMING, () => this.streaming.add(socket));
    return responses.size;
  }

  has(socket: Socket): boolean {
    return (this.bySocket.get(socket)?.size ?? 0) > 0;
  }

  isStreaming(socket: Socket): boolean {
    return this.streaming.has(socket);
  }

  /** If more bytes wait for all clients, destroys the connection with the most of them. Checks every CHECK_INTERVAL_MS at most. */
  limitTo(maxBytes: number): void {
    if (performance.now() - this.checkedAtMs < CHECK_INTERVAL_MS) return;
    this.checkedAtMs = performance.now();
    let sum = 0;
    let most = 0;
    let greediest: Socket | undefined;
    for (const [socket, responses] of this.bySocket) {
      let bytes = 0;
      for (const { writableLength } of responses) bytes += writableLength;
      sum += bytes;
      if (bytes > most) [most, greediest] = [bytes, socket];
    }
    if (sum > maxBytes) greediest?.destroy();
  }

  /** Destroys the connections of which the kernel has accepted nothing since the last call, although bytes wait. */
  destroyStuck(): void {
    const accepted = new Map<Socket, number>();
    for (const [socket, responses] of this.bySocket) {
      if (responses.size === 0 || socket.writableLength === 0 || this.streaming.has(socket)) continue;
      const bytes = socket.bytesWritten - socket.writableLength;
      if (this.acceptedBytes.get(socket) === bytes) socket.destroy();
      else accepted.set(socket, bytes);
    }
    this.acceptedBytes = accepted;
  }
}
