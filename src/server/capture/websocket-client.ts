import type { WebSocket } from 'ws';
import type { ClientConnection } from '../http/client-connection.js';
import type { CaptureClient } from './capture-client.js';
import type { DirectStream } from './capture-provider.js';
import { closeReason, closingForFlood, type Closing } from './close-codes.js';
import { InboundLimit } from './inbound-limit.js';
import { StreamEnding } from './reason-pcapng.js';

/** A client that is connected by websocket: binary messages, and at the end a close frame with code and reason. */
export class WebsocketClient implements CaptureClient {
  readonly transport = 'websocket';
  readonly closed: Promise<void>;
  error?: string;
  onViolation?: (closing: Closing) => void;
  private readonly ending?: StreamEnding;

  /** @param showsNoReason whether the reason has to be in the stream, since the client drops that of the close frame */
  constructor(
    private readonly socket: WebSocket,
    readonly connection: ClientConnection,
    showsNoReason: boolean,
  ) {
    if (showsNoReason) this.ending = new StreamEnding();
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    // For instance a frame that violates the protocol; the websocket closes after it.
    socket.once('error', ({ message }) => (this.error = message));
    new InboundLimit(socket, connection, (message) => this.onTooMuch(message));
  }

  get isOpen(): boolean {
    return this.socket.readyState === this.socket.OPEN;
  }

  ping(): void {
    this.socket.ping();
  }

  begin(): Promise<void> {
    return Promise.resolve(); // the handshake is over
  }

  async send(chunk: Uint8Array): Promise<boolean> {
    // Before the chunk is accepted: a close may come in between, and is sent after the chunk.
    this.ending?.push(chunk);
    const failed = await new Promise((resolve) => this.socket.send(chunk, { binary: true }, resolve));
    return !failed;
  }

  close({ code, message }: Closing, direct?: DirectStream): void {
    if (!this.isOpen) return;
    if (direct) this.ending?.assume(direct.interfaces);
    const blocks = this.ending?.blocks(message);
    if (blocks) this.socket.send(blocks);
    this.socket.close(code, closeReason(message));
  }

  terminate(): void {
    this.socket.terminate();
  }

  /** Closes at once, and reads nothing more of what the client sends. */
  private onTooMuch(message: string): void {
    this.onViolation?.(closingForFlood(message));
    this.connection.stopReading();
  }
}
