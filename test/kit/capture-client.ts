import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { tagOf } from './packets.js';
import { type Block, type Interface, type Packet, PcapngReader, type Statistics } from './pcapng.js';

/** Where the service is. */
export interface Addressable {
  /** For what failing tests say. */
  readonly log: string;
  url(path: string, scheme: 'http' | 'ws'): string;
}

/** Parameters of a capture, by the names of the API. */
export interface CaptureParameters {
  readonly netns?: number | string;
  /** An object, or any text instead of its JSON. */
  readonly container?: object | string;
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
  /** A TLS proxy in front of the service; absent: straight to the service. */
  readonly through?: TlsRelay;
  /** How this machine is called in the URL; absent: 127.0.0.1. */
  readonly host?: string;
  /** Where the connection comes from; absent: the kernel decides. */
  readonly localAddress?: string;
  /** Count packets only: for streams too big to be kept. */
  readonly countOnly?: boolean;
}

/** Where a TLS proxy has the service. */
export interface TlsRelay {
  /** Begins with `wss:`; the path of the request is appended. */
  readonly url: string;
  /** To trust it by. */
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
 * A client as real ones are: it asks by websocket, reads the binary stream with the strict reader, and can stop reading
 * for a while. Everything that a test waits for has a deadline, and fails at once when the stream is not valid or is over.
 */
export class CaptureClient implements AsyncDisposable {
  readonly packets: Packet[] = [];
  readonly statistics: Statistics[] = [];
  /** Of each interface, by its name. */
  readonly packetCounts = new Map<string, number>();
  /** Tagged packets that came again, or after a later one, on the same interface. */
  disorder = 0;
  /** Tagged packets that were left out: neither the one after the last nor an earlier one came next. */
  missing = 0;
  /** What came first: `section`, `interface`, `packet`, `statistics`, in the order of the stream. */
  readonly kinds: Block['kind'][] = [];
  /** Of the websocket messages so far. */
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

  /** Comes back with the answer 101; a refusal comes after that, as a close. */
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
      throw new Error(
        `neither subprotocol nor extension may be agreed on: ${socket.protocol}${socket.extensions}`,
      );
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

  /** The stream so far, up to the last block that is complete. */
  get stream(): Buffer {
    const bytes = Buffer.concat(this.pieces);
    return bytes.subarray(0, bytes.length - this.reader.incompleteBytes);
  }

  /** Both ends of the TCP connection below. */
  get ports(): { readonly local: number; readonly remote: number } {
    const { localPort = 0, remotePort = 0 } = this.tcp;
    return { local: localPort, remote: remotePort };
  }

  /** Packets that a sender of this kit has sent. */
  tagged(flow = 0): Packet[] {
    return this.packets.filter(({ data }) => tagOf(data)?.flow === flow);
  }

  /** Their sequence numbers, in the order of the stream. */
  sequences(flow = 0): number[] {
    return this.tagged(flow).map(({ data }) => tagOf(data)?.sequence ?? NaN);
  }

  /** Waits until all these interfaces are described. */
  async described(...names: readonly string[]): Promise<void> {
    await this.until(`descriptions of ${names.join(', ')}`, () =>
      names.every((name) => this.interfaceNames.includes(name)),
    );
  }

  /** Waits until a packet of this flow has come from that interface. */
  async receivedFrom(interfaceName: string, flow: number): Promise<void> {
    await this.until(`a packet of flow ${flow} from ${interfaceName}`, () =>
      this.packets.some(
        (packet) => packet.interface.name === interfaceName && tagOf(packet.data)?.flow === flow,
      ),
    );
  }

  /** Waits until so many tagged packets are here. */
  async received(count: number, flow = 0): Promise<void> {
    await this.until(
      `${count} packets of flow ${flow}`,
      () => (this.flowCounts.get(flow) ?? 0) >= count,
      20_000,
    );
  }

  /** Waits for the end, whoever wanted it; where the service did, the stream must be whole. */
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

  /** Closes as clients do, and gives what the service answered. */
  close(code = 1000, reason = 'ciao'): Promise<Closing> {
    this.closeSent = true;
    this.socket.close(code, reason);
    return this.ended();
  }

  /** Ends as a client does that has crashed. */
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

  /** Waits until something is true of what has come so far. */
  until(what: string, condition: () => boolean, timeoutMs = 10_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => waiter.settle(new Error(`${timeoutMs} ms were not enough`)), timeoutMs);
      const waiter: Waiter = {
        condition,
        settle: (error) => {
          clearTimeout(timer);
          this.waiters.delete(waiter);
          if (error) {
            reject(new Error(`waited in vain for ${what}: ${this.describe()}`, { cause: error }));
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
    const counts = [...this.packetCounts].map(([name, count]) => `${name}: ${count}`).join(', ');
    const closing = this.closing ? `closed with ${this.closing.code} "${this.closing.reason}"` : 'open';
    const { received = 0n, droppedBySystem = 0n } = this.statistics.at(-1) ?? {};
    const last = `last statistics ${received} received, ${droppedBySystem} dropped`;
    return `interfaces ${this.interfaceNames.join(', ')}; packets ${counts}; ${last}; ${closing}\n${this.service.log.slice(-4000)}`;
  }
}

function queryOf({ container, chaste, ...others }: CaptureParameters): string {
  const query = new URLSearchParams();
  if (container !== undefined)
    query.set('container', typeof container === 'string' ? container : JSON.stringify(container));
  for (const [name, value] of Object.entries(others)) if (value !== undefined) query.set(name, String(value));
  if (chaste) query.set('chaste', '');
  return query.size ? `?${query.toString()}` : '';
}
