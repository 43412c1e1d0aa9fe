import type { Response } from 'express';
import type { Socket } from 'node:net';
import { printable } from '../../shared/printable.js';
import { ClientConnection, TAKEN_OVER } from '../http/client-connection.js';
import { refuse } from '../http/http-refusal.js';
import type { CaptureClient } from './capture-client.js';
import type { DirectStream } from './capture-provider.js';
import { httpStatus, type Closing } from './close-codes.js';
import { StreamEnding } from './reason-pcapng.js';

/** After this time the connection of a client that does not close it is cut; the kernel still delivers what it has accepted. */
const CLOSE_TIMEOUT_MS = 5_000;

/** https://www.iana.org/assignments/media-types/application/vnd.tcpdump.pcap; there is no other one for pcapng. */
const MEDIA_TYPE = 'application/vnd.tcpdump.pcap';

const MAX_NAME_LENGTH = 64;

/**
 * A client that downloads: the stream is the body of the HTTP response as it comes, until the connection ends. A refusal is
 * the response, so the head of the response is written only when the capture runs: by the provider, or by this process.
 */
export class DownloadClient implements CaptureClient {
  readonly transport = 'download';
  readonly connection: ClientConnection;
  readonly closed: Promise<void>;
  private readonly head: Buffer;
  private readonly ending = new StreamEnding();
  /** The head of the response has been written, or is written before the first bytes of the stream. */
  private begun = false;
  private over = false;

  /**
   * @param response whose turn has come: nothing waits to be sent before it
   * @param name of what is captured, for the name of the file
   */
  constructor(
    private readonly response: Response,
    private readonly socket: Socket,
    name: string,
  ) {
    this.head = responseHead(fileName(name, new Date()));
    this.connection = new ClientConnection(socket, { framing: 'plain', preamble: this.head });
    this.connection.on('error', () => undefined); // 'close' follows
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  get isOpen(): boolean {
    return !this.over && !this.connection.destroyed && this.socket.writable;
  }

  begin(direct: boolean): void {
    this.begun = true;
    // From now on the connection is not the HTTP server's.
    this.response.emit(TAKEN_OVER);
    if (!direct) this.connection.write(this.head);
  }

  async send(chunk: Uint8Array): Promise<boolean> {
    this.ending.push(chunk);
    const error = await new Promise((resolve) => this.connection.write(chunk, resolve));
    return !error;
  }

  close(closing: Closing, direct?: DirectStream): void {
    if (!this.isOpen) return;
    this.over = true;
    // Whether the provider has begun to write is not known then.
    if (this.connection.isLent) return this.terminate();
    if (!this.begun || direct?.streamBytes === 0) return this.refuse(closing);
    // Nothing else tells a user that a file is not complete.
    if (closing.code !== 1000) this.appendReason(closing.message, direct);
    this.connection.end();
    setTimeout(() => this.terminate(), CLOSE_TIMEOUT_MS).unref();
  }

  terminate(): void {
    this.connection.destroy();
  }

  private refuse({ cause, message }: Closing): void {
    this.response.set('Connection', 'close');
    refuse(this.response, httpStatus(cause), cause, message);
  }

  private appendReason(message: string, direct?: DirectStream): void {
    if (direct) this.ending.assume(direct.interfaces);
    const blocks = this.ending.blocks(message);
    if (blocks) this.connection.write(blocks);
  }
}

function responseHead(name: string): Buffer {
  const lines = [
    'HTTP/1.1 200 OK',
    `Date: ${new Date().toUTCString()}`,
    `Content-Type: ${MEDIA_TYPE}`,
    `Content-Disposition: attachment; ${fileNameParameters(name)}`,
    'Cache-Control: no-store',
    'X-Content-Type-Options: nosniff',
    // nginx would hold packets back otherwise.
    'X-Accel-Buffering: no',
    'Connection: close',
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** `shop_web-20261130T181500Z.pcapng`, without characters that mean something to a file system or a shell. */
function fileName(target: string, at: Date): string {
  const name = printable(target, MAX_NAME_LENGTH).replace(/[^\p{Letter}\p{Number}.-]+/gu, '_');
  const time = at.toISOString().replace(/[-:]|\.\d+/g, '');
  return `${name.replace(/^[._-]+|_+$/g, '') || 'capture'}-${time}.pcapng`;
}

/** RFC 6266, section 4.3: the second form is for names with other characters than those of ASCII. */
function fileNameParameters(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]/g, '_');
  const encoded = encodeURIComponent(name);
  return ascii === name ? `filename="${name}"` : `filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
