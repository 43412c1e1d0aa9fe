import type { Writable } from 'node:stream';
import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { PacketOutput } from './packet-output.js';
import type { PacketCounter } from './progress.js';
import { describeRefusal, type ServiceAccess } from './service-access.js';

/** How long the service may take to answer a close; what it sends until then is still written. */
const CLOSE_TIMEOUT_MS = 5_000;

/** How long a refusal may take. */
const REFUSAL_TIMEOUT_MS = 5_000;
const MAX_REFUSAL_CHARACTERS = 64 * 1024;

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
    { url, headers }: ServiceAccess,
    private readonly output: PacketOutput,
    private readonly counter: PacketCounter,
  ) {
    this.socket = new WebSocket(url, { headers, perMessageDeflate: false });
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
    this.socket.on('unexpected-response', (_, response) => void this.refused(response));
    this.socket.on('error', (error) => {
      this.end ??= { kind: 'failed', message: `no capture from ${this.socket.url}: ${describeError(error)}` };
    });
    // Always emitted, even after `error`.
    this.socket.on('close', (code, reason) => {
      clearTimeout(this.closeTimer);
      this.closed.resolve({ kind: 'closed', code, reason: reason.toString('utf8') });
    });
  }

  /** Instead of the upgrade, the service or a proxy has answered with a status. */
  private async refused(response: IncomingMessage): Promise<void> {
    response.setTimeout(REFUSAL_TIMEOUT_MS, () => response.destroy());
    const body = await beginningOf(response);
    const { statusCode = 0, headers } = response;
    const refusal = describeRefusal(statusCode, headers['www-authenticate'], body);
    this.end ??= { kind: 'failed', message: `no capture from ${this.socket.url}: ${refusal}` };
    this.socket.terminate();
  }
}

/** The beginning of a body, which may be the page of a proxy of any length. */
async function beginningOf(response: IncomingMessage): Promise<string> {
  try {
    let body = '';
    for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
      body += chunk;
      if (body.length > MAX_REFUSAL_CHARACTERS) break;
    }
    return body;
  } catch {
    return ''; // the connection broke, or was too slow
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
