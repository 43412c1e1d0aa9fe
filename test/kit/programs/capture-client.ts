/**
 * A client of the service in a separate process, which tests can disconnect, stop and kill: `node capture-client.ts
 * HOST PORT BEHAVIOUR [TARGET]`. Prints "open", and "closed" when the connection has been closed. Node runs it without a
 * compiler, so that only erasable types are allowed.
 *
 * - `well` reads everything and answers pings.
 * - `slow` reads 64 KiB per second and answers no pings.
 * - `stalled` reads only the beginning.
 */
import { connect } from 'node:net';
import { WebSocket } from 'ws';

const SLICES_PER_SECOND = 16;
const SLICE_BYTES = (64 * 1024) / SLICES_PER_SECOND;

const [host = '', port = '', behaviour = 'well', target = '/capture?netns=5'] = process.argv.slice(2);

if (behaviour === 'well') {
  const client = new WebSocket(`ws://${host}:${port}${target}`);
  client.on('open', () => console.log('open'));
  client.on('ping', () => console.log('ping'));
  client.on('error', () => undefined);
  client.on('close', () => console.log('closed'));
} else {
  const socket = connect({ host, port: Number(port) });
  socket.on('error', () => undefined);
  socket.on('close', () => console.log('closed'));
  socket.write(
    `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  socket.once('readable', () => {
    console.log('open');
    if (behaviour === 'slow') setInterval(() => void socket.read(SLICE_BYTES), 1000 / SLICES_PER_SECOND);
  });
}
setInterval(() => undefined, 1_000_000);
