import type { Writable } from 'node:stream';
import { WebSocket } from 'ws';
import type { PacketOutput } from './packet-output.js';
import type { PacketCounter } from './progress.js';

/** How long the service may take to answer a close; what it sends until then is still written. */
const CLOSE_TIMEOUT_MS = 5_000;

/** How a capture ended. */
export type CaptureEnd =
  /** By the user: Ctrl-C, or the reader of the output closed it. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  | { readonly kind: 'failed'; readonly message: string };

/** One capture, from connect to close. The websocket is read only as fast as the output accepts the data. */
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

  /** Ends the capture by a close; what the service sends until it answers is still written. */
  stop(): void {
    this.endWith({ kind: 'stopped' });
  }

  private endWith(end: CaptureEnd): void {
    this.end ??= end;
    this.socket.close(1000);
    this.closeTimer ??= setTimeout(() => this.socket.terminate(), CLOSE_TIMEOUT_MS);
  }

  private connectOutput(): void {
    this.output.onDrain = () => this.socket.resume();
    this.output.onBroken = (error) => {
      // Wireshark was closed, or `head` has read enough: a regular end.
      this.endWith(
        error.code === 'EPIPE'
          ? { kind: 'stopped' }
          : { kind: 'failed', message: `cannot write: ${error.message}` },
      );
    };
  }

  private connectSocket(): void {
    this.socket.on('message', (data: Buffer, isBinary) => {
      // The service sends only binary messages; anything else would corrupt the file.
      if (!isBinary) return;
      this.counter.add(data);
      if (!this.output.write(data)) this.socket.pause();
    });
    this.socket.on('error', (error) => {
      this.end ??= { kind: 'failed', message: `no capture from ${this.socket.url}: ${describeError(error)}` };
    });
    // Always emitted, even after `error`.
    this.socket.on('close', (code, reason) => {
      clearTimeout(this.closeTimer);
      this.closed.resolve({ kind: 'closed', code, reason: reason.toString('utf8') });
    });
  }
}

function describeError(error: Error): string {
  // A host name with several addresses (localhost) fails with an error for each of them, and no message of its own.
  const errors: unknown[] = error instanceof AggregateError ? error.errors : [error];
  const text = errors.map((each) => (each instanceof Error ? each.message : String(each))).join(', ');
  return text.includes('ECONNREFUSED') ? `${text}. Is the service running (npm start)?` : text;
}

/** Returns the exit status, and writes one line to `standardError` unless the user ended the capture. */
export function reportEnd(end: CaptureEnd, standardError: Writable): 0 | 1 {
  switch (end.kind) {
    case 'stopped':
      return 0;
    case 'closed': {
      const reason = end.reason === '' ? '' : `: ${end.reason}`;
      const what = end.code === 1006 ? 'the connection broke' : 'the service ended the capture';
      standardError.write(`${what} (${end.code})${reason}\n`);
      return end.code === 1000 ? 0 : 1;
    }
    case 'failed':
      standardError.write(`${end.message}\n`);
      return 1;
  }
}

/**
 * Splits a URL into one without user and password, which may be shown, and the header that carries them. In a URL they
 * are percent-encoded; the `ws` package would send them in that form, which proxies do not understand.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7617
 */
export function takeCredentials(url: URL): {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
} {
  const anonymous = new URL(url);
  anonymous.username = '';
  anonymous.password = '';
  if (url.username === '' && url.password === '') return { url: anonymous, headers: {} };
  const credentials = Buffer.from(`${decoded(url.username)}:${decoded(url.password)}`);
  return { url: anonymous, headers: { Authorization: `Basic ${credentials.toString('base64')}` } };
}

/** A percent sign that does not encode anything stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // URIError: not percent-encoded
  }
}
