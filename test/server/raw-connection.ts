import { connect } from 'node:net';
import type { Socket } from 'node:net';

const UPGRADE =
  'Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

export const HANDSHAKE = `GET /capture?netns=5 HTTP/1.1\r\n${UPGRADE}`;

/** A TCP connection on which a test sends what no decent client would. */
export class RawConnection implements Disposable {
  /** Settles when the connection is over, orderly or not. */
  readonly ended: Promise<void>;
  received = Buffer.alloc(0);
  private readonly waiters = new Set<() => void>();
  private over = false;

  constructor(readonly socket: Socket) {
    socket.on('data', (data: Buffer) => {
      this.received = Buffer.concat([this.received, data]);
      for (const check of [...this.waiters]) check();
    });
    socket.on('error', () => undefined);
    this.ended = new Promise((resolve) => socket.once('close', () => resolve()));
    void this.ended.then(() => {
      this.over = true;
      for (const check of [...this.waiters]) check();
    });
  }

  static open(port: number): RawConnection {
    return new RawConnection(connect(port, '127.0.0.1'));
  }

  /** With the answer 101 read, and forgotten. */
  static async upgraded(port: number, handshake = HANDSHAKE): Promise<RawConnection> {
    const connection = RawConnection.open(port);
    connection.send(handshake);
    await connection.until((bytes) => bytes.includes('\r\n\r\n'));
    const end = connection.received.indexOf('\r\n\r\n') + 4;
    connection.received = connection.received.subarray(end);
    return connection;
  }

  send(...pieces: readonly (string | Uint8Array)[]): void {
    this.socket.write(Buffer.concat(pieces.map((piece) => Buffer.from(piece))));
  }

  /** Waits for something to have come, or for the end. */
  until(condition: (received: Buffer) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!this.over && !condition(this.received)) return;
        this.waiters.delete(check);
        resolve();
      };
      this.waiters.add(check);
      check();
    });
  }

  get statusLine(): string {
    return this.received.toString('latin1').split('\r\n', 1)[0] ?? '';
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
