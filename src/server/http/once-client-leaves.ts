import type { Duplex } from 'node:stream';

/**
 * Calls back when a client closes its connection before it has been answered. Node.js reports the end of a socket only if the socket
 * is read, but bytes that the client has already sent must remain in it for the websocket.
 *
 * @returns stops that
 */
export function onceClientLeaves(client: Duplex, callback: () => void): () => void {
  const readEnd = (): void => {
    // At the end of an empty stream, a read causes the `end` event.
    if (client.readableLength === 0) client.read();
  };
  client.on('readable', readEnd).once('end', callback).once('close', callback);
  return () => client.off('readable', readEnd).off('end', callback).off('close', callback);
}
