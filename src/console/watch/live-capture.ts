import { signal } from '@preact/signals';
import type { CaptureParameters } from '../capture/capture-request.js';
import { captureUrl } from '../capture/tickets.js';
import { ServiceFailure } from '../service.js';
import { PacketWindow } from './packet-window.js';
import { PcapngError, PcapngReader, type CapturedInterface } from './pcapng-reader.js';
import { Traffic } from './traffic.js';
import { visibleText } from '../visible-text.js';

const MAX_COMMENTS = 50;
const MAX_COMMENT_CHARACTERS = 500;
const MAX_NAME_CHARACTERS = 200;
const NANOSECONDS_PER_SECOND = 1_000_000_000n;

export type CaptureState =
  | { readonly phase: 'connecting' | 'capturing' }
  /** `failed`: the capture did not end as it should. */
  | { readonly phase: 'ended'; readonly failed: boolean; readonly reason: string };

/** Counters of an interface since the beginning of the capture. */
export interface InterfaceTotals {
  readonly name: string;
  readonly description: string;
  readonly captured: CapturedInterface;
  packets: number;
  bytes: number;
  dropped: number;
}

/** A capture that arrives by a websocket: the newest packets, and counters of all. It ends with `stop`. */
export class LiveCapture {
  readonly state = signal<CaptureState>({ phase: 'connecting' });
  readonly window = new PacketWindow();
  readonly traffic = new Traffic(performance.now());
  readonly interfaces: InterfaceTotals[] = [];
  /** The newest comments of the service about the stream, such as who joined. */
  readonly comments: string[] = [];
  /** The captured bytes of all packets. */
  bytes = 0;
  /** Nanoseconds since 1970. */
  startTime: bigint | undefined;
  private readonly headerBlocks: Uint8Array[] = [];
  /** Undefined until its URL is known. */
  private socket: WebSocket | undefined;

  constructor(parameters: CaptureParameters) {
    void this.connect(parameters);
  }

  private async connect(parameters: CaptureParameters): Promise<void> {
    const url = await this.urlOf(parameters);
    if (!url || this.state.peek().phase === 'ended') return;
    const reader = this.reader();
    this.socket = new WebSocket(url);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
      if (this.state.peek().phase === 'ended') return;
      try {
        if (typeof data === 'string') throw new PcapngError('The service sent text instead of packets.');
        reader.push(new Uint8Array(data));
      } catch (error) {
        if (!(error instanceof PcapngError)) throw error;
        this.end(true, error.message);
      }
    };
    this.socket.onclose = ({ code, reason }) => this.end(code !== 1000, reasonInWords(code, reason));
  }

  private async urlOf(parameters: CaptureParameters): Promise<URL | undefined> {
    try {
      return await captureUrl(parameters);
    } catch (error) {
      if (!(error instanceof ServiceFailure)) throw error;
      this.end(true, error.message);
      return undefined;
    }
  }

  /** Section header and interface descriptions so far. */
  get header(): Uint8Array {
    const header = new Uint8Array(this.headerBlocks.reduce((sum, { length }) => sum + length, 0));
    let offset = 0;
    for (const block of this.headerBlocks) {
      header.set(block, offset);
      offset += block.length;
    }
    return header;
  }

  get dropped(): number {
    return this.interfaces.reduce((sum, { dropped }) => sum + dropped, 0);
  }

  stop(): void {
    this.end(false, 'You stopped the capture.');
  }

  /** Time of a packet in nanoseconds since 1970. */
  timeOf(timestamp: bigint, interfaceId: number): bigint {
    const unitsPerSecond = this.interfaces[interfaceId]?.captured.unitsPerSecond ?? NANOSECONDS_PER_SECOND;
    return (timestamp * NANOSECONDS_PER_SECOND) / unitsPerSecond;
  }

  private end(failed: boolean, reason: string): void {
    if (this.state.peek().phase === 'ended') return;
    this.state.value = { phase: 'ended', failed, reason };
    this.socket?.close();
  }

  private reader(): PcapngReader {
    return new PcapngReader({
      header: (block) => {
        this.headerBlocks.push(block.slice());
        // The stream begins when the capture runs; the websocket was open before that.
        if (this.state.peek().phase === 'connecting') this.state.value = { phase: 'capturing' };
      },
      interface: (captured) => {
        const name = visibleText(captured.name, MAX_NAME_CHARACTERS);
        const description = visibleText(captured.description, MAX_COMMENT_CHARACTERS);
        this.interfaces.push({ name, description, captured, packets: 0, bytes: 0, dropped: 0 });
      },
      packet: (block, interfaceId, capturedBytes) => {
        this.window.push(block);
        if (this.startTime === undefined) {
          this.startTime = this.timeOf(this.window.facts(this.window.first).timestamp, interfaceId);
        }
        const totals = this.interfaces[interfaceId];
        if (totals) {
          totals.packets++;
          totals.bytes += capturedBytes;
        }
        this.bytes += capturedBytes;
        this.traffic.count(performance.now(), capturedBytes);
      },
      statistics: ({ interfaceId, dropped }) => {
        const totals = this.interfaces[interfaceId];
        if (totals && dropped !== undefined) totals.dropped = dropped;
      },
      comment: (text) => {
        const lines = text.slice(0, MAX_COMMENT_CHARACTERS).split('\n');
        this.comments.push(lines.map((line) => visibleText(line, MAX_COMMENT_CHARACTERS)).join('\n'));
        if (this.comments.length > MAX_COMMENTS) this.comments.shift();
      },
    });
  }
}

/** Reasons of the service are sentences without a full stop, see docs/api.md, "Close codes". */
function reasonInWords(code: number, reason: string): string {
  const said = visibleText(reason, MAX_COMMENT_CHARACTERS);
  const meaning = CLOSE_CODES[code] ?? `The service closed the connection with code ${code}`;
  return said ? `${meaning}: ${said}.` : /[.?]$/.test(meaning) ? meaning : `${meaning}.`;
}

const CLOSE_CODES: Readonly<Record<number, string>> = {
  1000: 'The capture has ended',
  1001: 'The service has ended',
  1005: 'The connection was closed',
  1006: 'The connection failed or was refused. Is the service running, and does this page still have access?',
  1011: 'The service could not capture',
  4400: 'The service does not accept the request',
  4403: 'You may not capture this',
  4404: 'There is nothing to capture',
  4409: 'It is not clear any more which target is meant',
  4429: 'There are too many captures already',
  4502: 'The target could not be looked up',
};
