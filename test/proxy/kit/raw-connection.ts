import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A TCP connection on which every byte is the test's own. */
export class RawConnection implements Disposable {
  received = '';
  ended = false;

  private constructor(readonly socket: Socket) {
    socket.on('error', () => undefined);
    socket.setEncoding('latin1').on('data', (text: string) => (this.received += text));
    socket.once('close', () => (this.ended = true)).once('end', () => (this.ended = true));
  }

  static async open(port: number, bytes = ''): Promise<RawConnection> {
    const connection = new RawConnection(connect(port, '127.0.0.1'));
    await once(connection.socket, 'connect');
    connection.send(bytes);
    return connection;
  }

  send(bytes: string): void {
    this.socket.write(bytes, 'latin1');
  }

  /** Everything until the other side ends the connection. */
  async toItsEnd(): Promise<string> {
    while (!this.ended) await delay(5);
    return this.received;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** One request with these lines, after which the connection is to end; gives the whole answer. */
export async function rawRequest(port: number, requestLine: string, ...headers: string[]): Promise<string> {
  const lines = [requestLine, 'Host: client.example', 'Connection: close', ...headers, '', ''];
  using connection = await RawConnection.open(port, lines.join('\r\n'));
  return await connection.toItsEnd();
}

/** What a browser sends to begin a websocket. */
export function handshake(target: string, ...headers: string[]): string {
  return [
    `GET ${target} HTTP/1.1`,
    'Host: client.example',
    'Connection: keep-alive, Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
    '',
    '',
  ].join('\r\n');
}
