import { connect, type Socket } from 'node:net';
import type { StreamReport } from './client-messages.js';
import { PcapngWalker } from './pcapng-walker.js';
import type { WallClock } from './wall-clock.js';
import { clientFrame, WebSocketFrames } from './websocket-frames.js';

/** Shared by all clients, because data is processed as soon as it is read. */
const READ_BUFFER = Buffer.allocUnsafeSlow(1024 * 1024);
const END_OF_HEAD = '\r\n\r\n';
/** Under load, only every 16th packet is measured. */
const LATENCY_SAMPLE_EVERY = 16;
const MAX_LATENCIES = 500_000;

/** One capture over a websocket, which is counted and not stored. */
export class StreamClient {
  private readonly walker: PcapngWalker;
  private readonly frames: WebSocketFrames;
  private readonly socket: Socket;
  private readonly startedAt = performance.now();
  private firstByteMs: number | undefined;
  private head = '';
  private upgraded = false;
  private bytes = 0;
  private arrivedAt = 0;
  private closing: string | undefined;
  private readonly latencies: number[] = [];

  /** @param everyLatency whether the latency of every packet is recorded instead of a sample */
  constructor(
    readonly id: number,
    url: URL,
    clock: WallClock,
    everyLatency: boolean,
  ) {
    const every = everyLatency ? 1 : LATENCY_SAMPLE_EVERY;
    this.walker = new PcapngWalker((timestampMs) => {
      if (this.walker.packets % every === 0 && this.latencies.length < MAX_LATENCIES) {
        this.latencies.push(this.arrivedAt - timestampMs);
      }
    });
    this.frames = new WebSocketFrames({
      payload: (bytes, start, end) => {
        this.firstByteMs ??= performance.now() - this.startedAt;
        this.walker.push(bytes, start, end);
      },
      ping: (payload) => void this.socket.write(clientFrame('pong', payload)),
      close: (code, reason) => (this.closing ??= `${code} ${reason}`),
    });
    this.socket = connect({
      host: url.hostname,
      port: Number(url.port),
      onread: {
        buffer: READ_BUFFER,
        callback: (count) => {
          this.arrivedAt = clock.now();
          this.receive(READ_BUFFER.subarray(0, count));
          return true;
        },
      },
    });
    this.socket.setNoDelay(true);
    this.socket.on('error', (error) => (this.closing ??= error.message));
    this.socket.on('close', () => (this.closing ??= 'connection closed'));
    this.socket.write(upgradeRequest(url));
  }

  /** Stops reading from the TCP connection. */
  stall(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  close(): void {
    const code = Buffer.of(1000 >> 8, 1000 & 0xff);
    this.closing ??= 'closed by us';
    this.socket.end(clientFrame('close', code));
    setTimeout(() => this.socket.destroy(), 1_000).unref();
  }

  report(withLatencies: boolean): StreamReport {
    const { walker } = this;
    const latencies = withLatencies ? this.latencies.splice(0) : [];
    return {
      id: this.id,
      packets: walker.packets,
      packetBytes: walker.packetBytes,
      interfaces: walker.interfaces,
      received: walker.received,
      dropped: walker.dropped,
      whole: walker.whole,
      damage: walker.damage,
      messages: this.frames.messages,
      bytes: this.bytes,
      firstByteMs: this.firstByteMs,
      closing: this.closing,
      latencies,
    };
  }

  private receive(bytes: Buffer): void {
    this.bytes += bytes.length;
    if (this.upgraded) {
      this.frames.push(bytes);
      return;
    }
    this.head += bytes.toString('latin1');
    const end = this.head.indexOf(END_OF_HEAD);
    if (end < 0) return;
    if (!this.head.startsWith('HTTP/1.1 101')) {
      this.closing ??= this.head.slice(0, this.head.indexOf('\r\n'));
      this.socket.destroy();
      return;
    }
    this.upgraded = true;
    this.frames.push(Buffer.from(this.head.slice(end + END_OF_HEAD.length), 'latin1'));
    this.head = '';
  }
}

function upgradeRequest({ pathname, search, host }: URL): string {
  return [
    `GET ${pathname}${search} HTTP/1.1`,
    `Host: ${host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    END_OF_HEAD.slice(2),
  ].join('\r\n');
}
