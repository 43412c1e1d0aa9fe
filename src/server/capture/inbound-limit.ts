import type { WebSocket } from 'ws';
import type { ClientConnection } from '../http/client-connection.js';

/**
 * What a client may send in a second. It needs to send pongs only, and pings if it likes: Wireshark plugins send none,
 * proxies one every few seconds.
 */
const MAX_FRAMES = 500;
const MAX_BYTES = 128 * 1024;
const INTERVAL_MS = 1_000;

/**
 * Watches how much a client sends. Each frame costs this process time that it takes from all other clients, though nothing
 * is done with it.
 */
export class InboundLimit {
  private frames = 0;
  private bytes = 0;
  private sinceMs = performance.now();
  private exceeded = false;

  /** @param onExceeded called once, with the reason for users */
  constructor(
    client: Pick<WebSocket, 'on'>,
    connection: Pick<ClientConnection, 'on'>,
    private readonly onExceeded: (message: string) => void,
  ) {
    // Bytes are counted as they arrive: fragments of a message cause no event, however many there are.
    connection.on('data', (chunk: Buffer) => this.count(0, chunk.length));
    for (const event of ['message', 'ping', 'pong'] as const) client.on(event, () => this.count(1, 0));
  }

  private count(frames: number, bytes: number): void {
    const nowMs = performance.now();
    if (nowMs - this.sinceMs >= INTERVAL_MS) {
      this.sinceMs = nowMs;
      this.frames = this.bytes = 0;
    }
    this.frames += frames;
    this.bytes += bytes;
    if (this.exceeded || (this.frames <= MAX_FRAMES && this.bytes <= MAX_BYTES)) return;
    this.exceeded = true;
    this.onExceeded(
      `the client sent more than ${MAX_FRAMES} frames or ${MAX_BYTES / 1024} KiB within a second`,
    );
  }
}
