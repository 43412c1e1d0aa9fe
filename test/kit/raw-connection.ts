import { connect } from 'node:net';
import type { Socket } from 'node:net';

const UPGRADE =
  'Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

/** A websocket handshake for a capture, with the required headers only. */
export const HANDSHAKE = `GET /capture?netns=5 HTTP/1.1\r\n${UPGRADE}`;

/** A TCP connection on which a test controls each byte. */
export class RawConnection implements Disposable {
  /** Resolves when the connection is closed or has failed. */
  readonly ended: Promise<void>;
  received = Buffer.alloc(0);
  private readonly waiters = new Set<() => void>();
  private hasEnded = false;

  private onBytes = (data: Buffer): void => {
    this.received = Buffer.concat([this.received, data]);
  };

  constructor(readonly socket: Socket) {
    socket.on('data', (data: Buffer) => {
      this.onBytes(data);
      for (const check of [...this.waiters]) check();
    });
    socket.on('error', () => undefined);
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()));
    void this.ended.then(() => {
      this.hasEnded = true;
      for (const check of [...this.waiters]) check();
    });
  }

  /** @param text to send as soon as the connection is open, each character as one byte */
  static open(port: number, text = ''): RawConnection {
    const connection = new RawConnection(connect(port, '127.0.0.1'));
    connection.send(text);
    return connection;
  }

  /** Opens a connection, sends the handshake and discards the response. */
  static async upgraded(port: number, handshake = HANDSHAKE): Promise<RawConnection> {
    const connection = RawConnection.open(port);
    connection.send(handshake);
    await connection.until((bytes) => bytes.includes('\r\n\r\n'));
    const end = connection.received.indexOf('\r\n\r\n') + 4;
    connection.received = connection.received.subarray(end);
    return connection;
  }

  /** Each character of a string is one byte. */
  send(...pieces: readonly (string | Uint8Array)[]): void {
    const bytes = pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece));
    this.socket.write(Buffer.concat(bytes));
  }

  /** Passes what was received, and what will be, to the callback instead of collecting it. */
  stream(onBytes: (data: Buffer) => void): void {
    this.onBytes = onBytes;
    onBytes(this.received);
    this.received = Buffer.alloc(0);
  }

  /** Waits until the condition holds for what was received, or the connection has ended. */
  until(condition: (received: Buffer) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!this.hasEnded && !condition(this.received)) return;
        this.waiters.delete(check);
        resolve();
      };
      this.waiters.add(check);
      check();
    });
  }

  /** The received bytes, each as one character. */
  get text(): string {
    return this.received.toString('latin1');
  }

  get statusLine(): string {
    return this.text.split('\r\n', 1)[0] ?? '';
  }

  /** Waits until the connection has ended and returns the received bytes, each as one character. */
  async textUntilEnd(): Promise<string> {
    await this.ended;
    return this.text;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** Sends one request with `Connection: close` and returns the whole response. */
export async function rawRequest(port: number, requestLine: string, ...headers: string[]): Promise<string> {
  const lines = [requestLine, 'Host: client.example', 'Connection: close', ...headers, '', ''];
  using connection = RawConnection.open(port, lines.join('\r\n'));
  return await connection.textUntilEnd();
}

/** A websocket handshake as browsers send it. */
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
