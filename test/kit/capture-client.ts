import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { tagOf } from './packets.js';
import { type Block, type Interface, type Packet, PcapngReader, type Statistics } from './pcapng.js';

/** A service that clients can connect to. */
export interface Addressable {
  /** Shown in the messages of failing tests. */
  readonly log: string;
  url(path: string, scheme: 'http' | 'ws'): string;
}

/** Parameters of a capture, by the names of the API. */
export interface CaptureParameters {
  readonly netns?: number | string;
  /** An object, which is sent as JSON, or a string, which is sent unchanged. */
  readonly container?: object | string;
  /** Selectors of a set, in JSON. */
  readonly targets?: string;
  readonly follow?: boolean;
  readonly direction?: boolean;
  readonly nif?: string;
  readonly filter?: string;
  readonly chaste?: boolean;
  readonly duration?: number;
  readonly 'max-bytes'?: number;
  readonly 'max-packets'?: number;
  readonly snaplen?: number;
}

export interface ClientOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly path?: string;
  /** The TLS proxy to connect through; by default the client connects to the service directly. */
  readonly through?: TlsRelay;
  /** Host name in the URL; default: 127.0.0.1. */
  readonly host?: string;
  /** Local address of the connection; by default the kernel chooses it. */
  readonly localAddress?: string;
  /** Count packets without keeping them, for streams that do not fit into memory. */
  readonly countOnly?: boolean;
}

/** How clients reach the service through a TLS proxy. */
export interface TlsRelay {
  /** Begins with `wss:`; the path of the request is appended. */
  readonly url: string;
  /** PEM of the certificate authority to trust. */
  readonly certificate: string;
}

export interface Closing {
  readonly code: number;
  readonly reason: string;
}

interface Waiter {
  readonly condition: () => boolean;
  readonly settle: (error?: Error) => void;
}

/**
 * A websocket client that reads the stream with the strict pcapng reader and can stop reading for a while. Each wait has
 * a deadline and fails at once when the stream is invalid or has ended.
 */
export class CaptureClient implements AsyncDisposable {
  readonly packets: Packet[] = [];
  readonly statistics: Statistics[] = [];
  /** Number of packets by interface name. */
  readonly packetCounts = new Map<string, number>();
  /** Number of tagged packets that were duplicated or came after a later one on the same interface. */
  disorder = 0;
  /** Number of tagged packets that are missing between those received. */
  missing = 0;
  /** Kinds of the blocks (`section`, `interface`, `packet`, `statistics`), in the order of the stream. */
  readonly kinds: Block['kind'][] = [];
  /** Size of the largest websocket message so far. */
  largestMessageBytes = 0;
  closing: Closing | undefined;
  private readonly pieces: Buffer[] = [];
  private readonly flowCounts = new Map<number, number>();
  private readonly lastSequences = new Map<string, number>();
  private readonly reader = new PcapngReader();
  private readonly waiters = new Set<Waiter>();
  private violation: Error | undefined;
  private closeSent = false;

  private constructor(
    private readonly socket: WebSocket,
    private readonly service: Addressable,
    private readonly options: ClientOptions,
  ) {
    socket.on('message', (data: Buffer, isBinary) => this.receive(data, isBinary));
    socket.on('close', (code, reason) => this.closed({ code, reason: reason.toString('utf8') }));
    socket.on('error', (error) => (this.violation ??= error));
  }

  /** Resolves on the response 101; the service refuses a capture later, by closing the websocket. */
  static async open(
    service: Addressable,
    parameters: CaptureParameters,
    options: ClientOptions = {},
  ): Promise<CaptureClient> {
    const { headers, through, host, localAddress, path = '/capture' } = options;
    const target = path + queryOf(parameters);
    const url = new URL(through ? through.url + target : service.url(target, 'ws'));
    if (host !== undefined) url.hostname = host;
    const socket = new WebSocket(url, {
      headers,
      localAddress,
      perMessageDeflate: true,
      ca: through?.certificate,
      ...(through && { family: 4 }),
    });
    socket.binaryType = 'nodebuffer';
    const client = new CaptureClient(socket, service, options);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    if (socket.protocol || socket.extensions) {
      throw new Error(`unexpected subprotocol or extension: ${socket.protocol}${socket.extensions}`);
    }
    return client;
  }

  get interfaces(): readonly Interface[] {
    return this.reader.interfaces;
  }

  get interfaceNames(): (string | undefined)[] {
    return this.interfaces.map(({ name }) => name);
  }

  /** Comments of the section header block. */
  get comments(): readonly string[] {
    return this.reader.section?.comments ?? [];
  }

  get sectionLength(): bigint | undefined {
    return this.reader.section?.length;
  }

  /** The stream so far, without an incomplete block at its end. */
  get stream(): Buffer {
    const bytes = Buffer.concat(this.pieces);
    return bytes.subarray(0, bytes.length - this.reader.incompleteBytes);
  }

  /** Both ports of the underlying TCP connection. */
  get ports(): { readonly local: number; readonly remote: number } {
    const { localPort = 0, remotePort = 0 } = this.tcp;
    return { local: localPort, remote: remotePort };
  }

  /** Packets of one flow that were sent by `PacketSender` or `sendTagged`. */
  tagged(flow = 0): Packet[] {
    return this.packets.filter(({ data }) => tagOf(data)?.flow === flow);
  }

  /** Sequence numbers of the packets of one flow, in the order of the stream. */
  sequences(flow = 0): number[] {
    return this.tagged(flow).map(({ data }) => tagOf(data)?.sequence ?? NaN);
  }

  /** Waits until all these interfaces are described. */
  async described(...names: readonly string[]): Promise<void> {
    await this.until(`descriptions of ${names.join(', ')}`, () =>
      names.every((name) => this.interfaceNames.includes(name)),
    );
  }

  /** Waits for a packet of this flow from that interface. */
  async receivedFrom(interfaceName: string, flow: number): Promise<void> {
    await this.until(`a packet of flow ${flow} from ${interfaceName}`, () =>
      this.packets.some(
        (packet) => packet.interface.name === interfaceName && tagOf(packet.data)?.flow === flow,
      ),
    );
  }

  /** Waits until at least `count` packets of the flow have been received. */
  async received(count: number, flow = 0): Promise<void> {
    await this.until(
      `${count} packets of flow ${flow}`,
      () => (this.flowCounts.get(flow) ?? 0) >= count,
      20_000,
    );
  }

  /** Waits until the connection is closed. If the service closed it, the stream must end with a complete block. */
  async ended(timeoutMs = 10_000): Promise<Closing> {
    await this.until('the close', () => this.closing !== undefined, timeoutMs);
    if (!this.closing) {
      throw new Error('unreachable: closed but not closing');
    }
    if (this.pieces.length && !this.closeSent) {
      this.reader.end();
    }
    return this.closing;
  }

  /** Closes the websocket and returns the close frame of the service. */
  close(code = 1000, reason = 'ciao'): Promise<Closing> {
    this.closeSent = true;
    this.socket.close(code, reason);
    return this.ended();
  }

  /** Drops the connection without a close frame, as when a client has crashed. */
  abort(): void {
    this.socket.terminate();
  }

  send(data: Buffer | string): void {
    this.socket.send(data);
  }

  /** Stops reading from the TCP connection. */
  stall(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Waits until the condition holds; it is checked after each message. */
  until(what: string, condition: () => boolean, timeoutMs = 10_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => waiter.settle(new Error(`timed out after ${timeoutMs} ms`)), timeoutMs);
      const waiter: Waiter = {
        condition,
        settle: (error) => {
          clearTimeout(timer);
          this.waiters.delete(waiter);
          if (error) {
            reject(new Error(`did not get ${what}: ${this.describe()}`, { cause: error }));
          } else {
            resolve();
          }
        },
      };
      this.waiters.add(waiter);
      this.checkWaiters();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    await this.until('the end of the connection', () => this.closing !== undefined).catch(() => undefined);
  }

  private get tcp(): Socket {
    return (this.socket as unknown as { _socket: Socket })._socket;
  }

  private receive(data: Buffer, isBinary: boolean): void {
    if (!isBinary) {
      this.violation ??= new Error(`a text message: ${data.toString('utf8')}`);
    }
    this.largestMessageBytes = Math.max(this.largestMessageBytes, data.length);
    try {
      for (const block of this.reader.push(data)) {
        this.take(block);
      }
    } catch (error) {
      this.violation ??= error as Error;
    }
    if (!this.options.countOnly || this.pieces.length === 0) {
      this.pieces.push(data);
    }
    this.checkWaiters();
  }

  private take(block: Block): void {
    if (block.kind === 'statistics') {
      this.statistics.push(block);
    }
    if (block.kind === 'packet') {
      this.count(block);
    }
    if (!this.options.countOnly) {
      this.kinds.push(block.kind);
      if (block.kind === 'packet') {
        this.packets.push(block);
      }
    }
  }

  private count({ interface: { id, name = '' }, data }: Packet): void {
    this.packetCounts.set(name, (this.packetCounts.get(name) ?? 0) + 1);
    const tag = tagOf(data);
    if (tag) {
      this.flowCounts.set(tag.flow, (this.flowCounts.get(tag.flow) ?? 0) + 1);
      const key = `${id}/${tag.flow}`;
      const last = this.lastSequences.get(key);
      if (last !== undefined) {
        this.disorder += tag.sequence > last ? 0 : 1;
        this.missing += Math.max(0, tag.sequence - last - 1);
      }
      this.lastSequences.set(key, tag.sequence);
    }
  }

  private closed(closing: Closing): void {
    this.closing = closing;
    this.checkWaiters();
  }

  private checkWaiters(): void {
    for (const waiter of [...this.waiters]) {
      if (this.violation) {
        waiter.settle(this.violation);
      } else if (waiter.condition()) {
        waiter.settle();
      } else if (this.closing) {
        waiter.settle(new Error('the connection is closed'));
      }
    }
  }

  private describe(): string {
    const interfaces = this.interfaces.map(({ id, name = '' }) => {
      const { received = 0n, droppedBySystem = 0n } =
        this.statistics.findLast((statistics) => statistics.interface.id === id) ?? {};
      const counted = `last statistics ${received} received, ${droppedBySystem} dropped`;
      return `${name}: ${this.packetCounts.get(name) ?? 0} packets, ${counted}`;
    });
    const closing = this.closing ? `closed with ${this.closing.code} "${this.closing.reason}"` : 'open';
    return `${[...interfaces, closing].join('; ')}\n${this.service.log.slice(-4000)}`;
  }
}

function queryOf({ container, chaste, follow, direction, ...others }: CaptureParameters): string {
  const query = new URLSearchParams();
  if (container !== undefined)
    query.set('container', typeof container === 'string' ? container : JSON.stringify(container));
  for (const [name, value] of Object.entries(others)) if (value !== undefined) query.set(name, String(value));
  for (const [name, given] of Object.entries({ chaste, follow, direction })) if (given) query.set(name, '');
  return query.size ? `?${query.toString()}` : '';
}
