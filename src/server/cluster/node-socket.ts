import { createHash, randomBytes } from 'node:crypto';
import * as net from 'node:net';
import * as tls from 'node:tls';

/** RFC 6455, section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** RFC 6455, section 5.2. */
const OPCODE_BINARY = 2;
const OPCODE_CLOSE = 8;
const OPCODE_PING = 9;
const OPCODE_PONG = 10;
const FIN = 0x80;
const RESERVED = 0x70;
const OPCODE = 0x0f;
const MASKED = 0x80;
const MAX_CONTROL_BYTES = 125;
const LONG_HEADER_BYTES = 10;
const NO_STATUS = 1005;

const MAX_HEAD_BYTES = 16 * 1024;
const MAX_UNSENT_BYTES = 16 * 1024;
const CONNECT_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 5_000;

/** All sockets read into this: what is read is used up before anything else is read. */
const READ_BUFFER = Buffer.alloc(256 * 1024);

const TICK_MS = 20;
const waitingForTick = new Set<NodeSocket>();

/** One timer for all. */
function readAtNextTick(socket: NodeSocket): void {
  if (waitingForTick.size === 0) setTimeout(endTick, TICK_MS).unref();
  waitingForTick.add(socket);
}

function endTick(): void {
  const sockets = [...waitingForTick];
  waitingForTick.clear();
  for (const socket of sockets) socket.readOn();
}

/** What to connect to, and what to ask for. */
export interface NodeSocketRequest {
  readonly host: string;
  readonly port: number;
  /** Absent: without TLS. */
  readonly tls?: tls.ConnectionOptions;
  /** The request target. */
  readonly path: string;
  /** `Host` first. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface NodeSocketObserver {
  /** The next bytes of the binary messages, whose boundaries mean nothing. Valid until this returns. */
  onData(bytes: Buffer): void;
  onPong(): void;
  /** The node answered the request with that status. Nothing follows. */
  onRefused(status: number): void;
  /** The node has closed the websocket. Nothing follows. */
  onClosed(code: number, reason: string): void;
  /** There is no connection, or no more, or it has no websocket. Nothing follows. @param error undefined: it broke */
  onLost(error: Error | undefined): void;
}

/**
 * A websocket to a node, RFC 6455, for one purpose: receiving binary messages without a copy of their own. Reading with the package
 * `ws` took three times the CPU time of `dumpcap` for the same packets, half of it for collecting the memory of messages.
 */
export class NodeSocket {
  private readonly socket: net.Socket;
  private readonly key = randomBytes(16).toString('base64');
  /** What has arrived of the head of the response; undefined: it is complete. */
  private head: Buffer | undefined = Buffer.alloc(0);
  private readonly frameHeader = Buffer.alloc(LONG_HEADER_BYTES);
  private frameHeaderBytes = 0;
  private opcode = OPCODE_BINARY;
  private payloadBytes = 0;
  private control: Buffer[] = [];
  private over = false;
  private closing = false;
  private timer: NodeJS.Timeout | undefined;
  isPaused = false;
  /**
   * Whether to read what has arrived every TICK_MS and not at once, unless there is much: to wake up for each message of each node costs
   * more CPU time than the messages.
   */
  readsInTicks = false;

  constructor(
    request: NodeSocketRequest,
    private readonly observer: NodeSocketObserver,
  ) {
    const { host, port } = request;
    const begin = (): void => void this.socket.write(this.requestText(request));
    if (request.tls) {
      this.socket = tls.connect({ ...request.tls, host, port }, begin);
      this.socket.on('data', (bytes: Buffer) => this.receive(bytes));
    } else {
      const onread: net.OnReadOpts = {
        buffer: READ_BUFFER,
        callback: (length) => {
          this.receive(READ_BUFFER.subarray(0, length));
          if (!this.readsInTicks || !this.isOpen || length === READ_BUFFER.length) return true;
          readAtNextTick(this);
          return false;
        },
      };
      this.socket = net.connect({ host, port, noDelay: true, onread }, begin);
    }
    this.socket.on('error', (error) => this.lose(error));
    this.socket.on('close', () => this.lose(undefined));
    this.socket.on('end', () => this.lose(undefined));
    this.timer = setTimeout(
      () => this.lose(new Error(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`)),
      CONNECT_TIMEOUT_MS,
    );
  }

  /** Whether the websocket is open and nobody closes it. */
  get isOpen(): boolean {
    return !this.head && !this.over && !this.closing;
  }

  /** Reads nothing more, as soon as the websocket is open. */
  pause(): void {
    this.isPaused = true;
    if (!this.head) this.socket.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.socket.resume();
  }

  /** Goes on after a tick. */
  readOn(): void {
    if (!this.isPaused) this.socket.resume();
  }

  ping(): void {
    if (this.isOpen) this.send(OPCODE_PING, Buffer.alloc(0));
  }

  /** Closes the websocket as a client that needs no more; the observer is not called any more. */
  close(code: number): void {
    if (this.over) return;
    const wasOpen = this.isOpen;
    this.over = true;
    clearTimeout(this.timer);
    if (!wasOpen) return void this.socket.destroy();
    this.closing = true;
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.send(OPCODE_CLOSE, payload);
    this.socket.end();
    this.resume(); // the end of the connection must be read
    this.timer = setTimeout(() => this.socket.destroy(), CLOSE_TIMEOUT_MS).unref();
    this.socket.once('close', () => clearTimeout(this.timer));
  }

  /** Cuts the connection; the observer is not called any more. */
  terminate(): void {
    this.over = true;
    clearTimeout(this.timer);
    this.socket.destroy();
  }

  private requestText({ path, headers }: NodeSocketRequest): string {
    const all = {
      ...headers,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': this.key,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
  }

  private lose(error: Error | undefined): void {
    if (this.over) return;
    this.terminate();
    this.observer.onLost(error);
  }

  private receive(bytes: Buffer): void {
    if (this.over) return;
    const rest = this.head ? this.readHead(this.head, bytes) : bytes;
    if (rest) this.readFrames(rest);
  }

  /** @returns what follows the head; undefined: the head is not complete, or is no 101 */
  private readHead(before: Buffer, bytes: Buffer): Buffer | undefined {
    const all = Buffer.concat([before, bytes]);
    const end = all.indexOf('\r\n\r\n');
    if (end < 0) {
      if (all.length > MAX_HEAD_BYTES) this.lose(new Error('its answer is not that of a websocket'));
      this.head = all;
      return undefined;
    }
    const [statusLine = '', ...lines] = all.toString('latin1', 0, end).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3})\b/.exec(statusLine)?.[1]);
    const accepted = lines
      .find((line) => /^sec-websocket-accept:/i.test(line))
      ?.slice(21)
      .trim();
    if (status !== 101 && status >= 200) {
      this.terminate();
      this.observer.onRefused(status);
      return undefined;
    }
    if (
      status !== 101 ||
      accepted !==
        createHash('sha1')
          .update(this.key + GUID)
          .digest('base64')
    ) {
      this.lose(new Error('its answer is not that of a websocket'));
      return undefined;
    }
    clearTimeout(this.timer);
    this.head = undefined;
    if (this.isPaused) this.socket.pause();
    return all.subarray(end + 4);
  }

  private readFrames(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && !this.over) {
      if (this.payloadBytes === 0) {
        at = this.readFrameHeader(bytes, at);
        continue;
      }
      const end = Math.min(bytes.length, at + this.payloadBytes);
      this.payloadBytes -= end - at;
      const payload = bytes.subarray(at, end);
      if (this.opcode < OPCODE_CLOSE) this.observer.onData(payload);
      else this.control.push(Buffer.from(payload));
      if (this.payloadBytes === 0) this.endFrame();
      at = end;
    }
  }

  /** @returns offset of what follows */
  private readFrameHeader(bytes: Buffer, start: number): number {
    const { frameHeader } = this;
    let at = start;
    while (this.frameHeaderBytes < this.wantedHeaderBytes && at < bytes.length) {
      frameHeader[this.frameHeaderBytes++] = bytes[at++]!;
    }
    const length = this.wantedHeaderBytes;
    if (this.frameHeaderBytes < length) return at;
    this.frameHeaderBytes = 0;
    this.opcode = frameHeader[0]! & OPCODE;
    if (length === LONG_HEADER_BYTES) this.payloadBytes = Number(frameHeader.readBigUInt64BE(2));
    else if (length > 2) this.payloadBytes = frameHeader.readUInt16BE(2);
    else this.payloadBytes = frameHeader[1]! & ~MASKED;
    const isControl = this.opcode >= OPCODE_CLOSE;
    const isWrong =
      (frameHeader[0]! & RESERVED) !== 0 ||
      (frameHeader[1]! & MASKED) !== 0 ||
      this.opcode === 1 ||
      (isControl && ((frameHeader[0]! & FIN) === 0 || this.payloadBytes > MAX_CONTROL_BYTES));
    if (isWrong) this.lose(new Error('it sent a frame that nodes do not send'));
    else if (this.payloadBytes === 0) this.endFrame();
    return at;
  }

  /** The length of the payload says how long the header is. */
  private get wantedHeaderBytes(): number {
    if (this.frameHeaderBytes < 2) return 2;
    const length = this.frameHeader[1]! & ~MASKED;
    if (length === 127) return LONG_HEADER_BYTES;
    return length === 126 ? 4 : 2;
  }

  private endFrame(): void {
    if (this.opcode < OPCODE_CLOSE) return;
    const payload = Buffer.concat(this.control);
    this.control = [];
    if (this.opcode === OPCODE_PING) this.send(OPCODE_PONG, payload);
    else if (this.opcode === OPCODE_PONG) this.observer.onPong();
    else if (this.opcode === OPCODE_CLOSE) this.onClose(payload);
  }

  private onClose(payload: Buffer): void {
    this.send(OPCODE_CLOSE, payload.subarray(0, 2));
    this.over = true;
    this.socket.end();
    const code = payload.length >= 2 ? payload.readUInt16BE() : NO_STATUS;
    this.timer = setTimeout(() => this.socket.destroy(), CLOSE_TIMEOUT_MS).unref();
    this.socket.once('close', () => clearTimeout(this.timer));
    this.observer.onClosed(code, payload.toString('utf8', 2));
  }

  /** Frames of clients are masked: RFC 6455, section 5.3. */
  private send(opcode: number, payload: Buffer): void {
    const mask = randomBytes(4);
    const masked = payload.map((byte, index) => byte ^ mask[index & 3]!);
    // A node that asks for more than it reads gets no answer.
    if (!this.socket.destroyed && this.socket.writableLength < MAX_UNSENT_BYTES) {
      this.socket.write(Buffer.concat([Buffer.of(FIN | opcode, MASKED | payload.length), mask, masked]));
    }
  }
}
