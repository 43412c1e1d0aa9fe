import type { Response } from 'express';
import type { Socket } from 'node:net';
import { printable } from '../../shared/printable.js';
import { ClientConnection } from '../http/client-connection.js';
import { STREAMING } from '../http/connection-limits.js';
import { refuse } from '../http/http-refusal.js';
import type { CaptureClient } from './capture-client.js';
import type { DirectStream } from './capture-provider.js';
import { httpStatus, type Closing } from './close-codes.js';
import type { CaptureTarget } from './request/capture-request.js';
import { StreamEnding } from './reason-pcapng.js';

/** After this time the connection of a client that does not close it is cut; the kernel still delivers what it has accepted. */
const CLOSE_TIMEOUT_MS = 5_000;

/** https://www.iana.org/assignments/media-types/application/vnd.tcpdump.pcap; there is no other one for pcapng. */
const MEDIA_TYPE = 'application/vnd.tcpdump.pcap';

const MAX_NAME_LENGTH = 64;

/**
 * A client that downloads: the stream is the body of the HTTP response as it comes, until the connection ends. A refusal is
 * the response, so the head of the response is sent only when the capture runs. Then the provider may write the body.
 */
export class DownloadClient implements CaptureClient {
  readonly transport = 'download';
  readonly connection: ClientConnection;
  readonly closed: Promise<void>;
  private readonly ending = new StreamEnding();
  private over = false;

  /**
   * @param response whose turn has come: nothing waits to be sent before it
   */
  constructor(
    private readonly response: Response,
    private readonly socket: Socket,
  ) {
    this.connection = new ClientConnection(socket, 'plain');
    this.connection.on('error', () => undefined); // 'close' follows
    response.on('error', () => undefined); // of a write after the connection has gone
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  get isOpen(): boolean {
    return !this.over && !this.connection.destroyed && this.socket.writable;
  }

  async begin({ name, netns }: CaptureTarget): Promise<void> {
    if (!this.isOpen) return;
    // The end of the connection is the end of the body: others write it, who know no chunks. RFC 9112, section 6.3.
    this.response.removeHeader('Transfer-Encoding');
    this.response.writeHead(200, responseHeaders(fileName(name ?? `netns-${netns}`, new Date())));
    this.response.flushHeaders();
    this.response.emit(STREAMING);
    if (this.socket.writableLength === 0) return;
    await Promise.race([this.closed, new Promise((resolve) => this.socket.once('drain', resolve))]);
  }

  async send(chunk: Uint8Array): Promise<boolean> {
    this.ending.push(chunk);
    const error = await new Promise((resolve) => this.response.write(chunk, resolve));
    return !error;
  }

  close(closing: Closing, direct?: DirectStream): void {
    if (!this.isOpen) return;
    this.over = true;
    // Only the provider knows what it has written.
    if (this.connection.isLent) return this.terminate();
    if (!this.response.headersSent) return this.refuse(closing);
    // Nothing else tells a user that a file is not complete.
    if (closing.code !== 1000) this.appendReason(closing, direct);
    this.response.end();
    setTimeout(() => this.terminate(), CLOSE_TIMEOUT_MS).unref();
  }

  terminate(): void {
    this.connection.destroy();
  }

  private refuse({ cause, message }: Closing): void {
    this.response.set('Connection', 'close');
    refuse(this.response, httpStatus(cause), cause, message);
  }

  private appendReason({ cause, message }: Closing, direct?: DirectStream): void {
    // A provider that has failed may have written more than it has reported, even if that is nothing.
    if (cause === 'internal' && direct?.streamBytes === 0) return;
    if (direct) this.ending.assume(direct.interfaces);
    const blocks = this.ending.blocks(message);
    if (blocks) this.response.write(blocks);
  }
}

function responseHeaders(name: string): Record<string, string> {
  return {
    'Content-Type': MEDIA_TYPE,
    'Content-Disposition': `attachment; ${fileNameParameters(name)}`,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    // nginx would hold packets back otherwise.
    'X-Accel-Buffering': 'no',
    Connection: 'close',
  };
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
