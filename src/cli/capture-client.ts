import type { Writable } from 'node:stream';
import { WebSocket } from 'ws';
import { takeCredentials } from './credentials.js';
import type { PacketCounter } from './packet-counter.js';
import type { PacketOutput } from './packet-output.js';

/** How long a service may take to answer our close; what it still sends until then is written. */
const CLOSE_TIMEOUT_MS = 5_000;

/** How a capture ended. */
export type CaptureEnd =
  /** We ended it: Ctrl-C, or the reader of our output went away. */
  | { readonly kind: 'ended-by-us' }
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  | { readonly kind: 'failed'; readonly message: string };

/** One capture from connect to close: websocket messages go to the output only as fast as it takes them. */
export class CaptureClient {
  private readonly socket: WebSocket;
  private readonly closed = Promise.withResolvers<CaptureEnd>();
  private end: CaptureEnd | undefined;
  private closeTimer: NodeJS.Timeout | undefined;

  constructor(
    url: URL,
    private readonly output: PacketOutput,
    private readonly counter: PacketCounter,
  ) {
    const { url: address, headers } = takeCredentials(url);
    this.socket = new WebSocket(address, { headers, perMessageDeflate: false });
    this.connectOutput();
    this.connectSocket();
  }

  /** Calls back once, when the service has accepted the websocket. */
  onOpen(callback: () => void): void {
    this.socket.once('open', callback);
  }

  /** Settles when the websocket is closed and everything is written. */
  async wait(): Promise<CaptureEnd> {
    const end = await this.closed.promise;
    await this.output.finish();
    return this.end ?? end;
  }

  /** Ends the capture in good order; what the service sends until it answers is still written. */
  stop(): void {
    this.endWith({ kind: 'ended-by-us' });
  }

  private endWith(end: CaptureEnd): void {
    this.end ??= end;
    this.socket.close(1000);
    this.closeTimer ??= setTimeout(() => this.socket.terminate(), CLOSE_TIMEOUT_MS);
  }

  private connectOutput(): void {
    this.output.onDrain = () => this.socket.resume();
    this.output.onBroken = (error) => {
      // Wireshark closed, or `head` has seen enough: that is an end, not a failure.
      this.endWith(
        error.code === 'EPIPE'
          ? { kind: 'ended-by-us' }
          : { kind: 'failed', message: `cannot write: ${error.message}` },
      );
    };
  }

  private connectSocket(): void {
    this.socket.on('message', (data: Buffer, isBinary) => {
      // The service sends nothing but binary messages; anything else would spoil the file.
      if (!isBinary) return;
      this.counter.add(data);
      if (!this.output.write(data)) this.socket.pause();
    });
    this.socket.on('error', (error) => {
      this.end ??= { kind: 'failed', message: `no capture from ${this.socket.url}: ${describeError(error)}` };
    });
    // Always comes, after `error` as well.
    this.socket.on('close', (code, reason) => {
      clearTimeout(this.closeTimer);
      this.closed.resolve({ kind: 'closed', code, reason: reason.toString('utf8') });
    });
  }
}

function describeError(error: Error): string {
  // An address with several answers (localhost) fails with one error for each, and no message of its own.
  const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
  const text = errors.map((each) => (each instanceof Error ? each.message : String(each))).join(', ');
  return text.includes('ECONNREFUSED') ? `${text}. Is the service running (npm start)?` : text;
}

/** The exit status that tells how the capture ended, and, unless all is well, a sentence on `standardError`. */
export function reportEnd(end: CaptureEnd, standardError: Writable): 0 | 1 {
  switch (end.kind) {
    case 'ended-by-us':
      return 0;
    case 'closed': {
      const reason = end.reason === '' ? '' : `: ${end.reason}`;
      const who = end.code === 1006 ? 'the connection broke' : 'the service ended the capture';
      standardError.write(`${who} (${end.code})${reason}\n`);
      return end.code === 1000 ? 0 : 1;
    }
    case 'failed':
      standardError.write(`${end.message}\n`);
      return 1;
  }
}
