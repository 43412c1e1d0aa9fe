import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { eventually } from './eventually.js';
import { type Block, PcapngReader } from './pcapng.js';

/** A capture as an HTTP download, which can stop reading for a while. */
export class Download implements Disposable {
  readonly blocks: Block[] = [];
  /** Resolves at the end of the body, or when the connection has failed. */
  readonly ended: Promise<void>;
  private readonly reader = new PcapngReader();
  private readonly pieces: Buffer[] = [];
  private problem: unknown;
  hasEnded = false;

  private constructor(readonly response: IncomingMessage) {
    response.on('data', (piece: Buffer) => this.receive(piece));
    response.on('error', (error) => (this.problem ??= error));
    this.ended = new Promise((resolve) => response.once('close', resolve)).then(() => {
      this.hasEnded = true;
    });
  }

  /** Resolves with the head of the response. */
  static async open(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Download> {
    const request = get(url, { agent: false, headers });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return new Download(response);
  }

  /** The whole body so far. */
  get body(): Buffer {
    return Buffer.concat(this.pieces);
  }

  get packets(): Extract<Block, { kind: 'packet' }>[] {
    return this.blocks.filter((block) => block.kind === 'packet');
  }

  get interfaceNames(): (string | undefined)[] {
    return this.reader.interfaces.map(({ name }) => name);
  }

  /** Waits until the condition holds; fails if the stream is invalid or ends before that. */
  async until(what: string, condition: () => boolean, timeoutMs?: number): Promise<void> {
    await eventually(
      what,
      () => {
        if (this.problem) throw new Error(`while waiting for ${what}`, { cause: this.problem });
        return condition() || this.hasEnded;
      },
      timeoutMs,
    );
    if (!condition()) throw new Error(`the download has ended before ${what}`);
  }

  described(...names: readonly string[]): Promise<void> {
    return this.until(`the interfaces ${names.join(', ')}`, () =>
      names.every((name) => this.interfaceNames.includes(name)),
    );
  }

  /** Throws unless what arrived are whole blocks. */
  complete(): void {
    if (this.problem) throw this.problem as Error;
    this.reader.end();
  }

  [Symbol.dispose](): void {
    this.response.destroy();
  }

  private receive(piece: Buffer): void {
    this.pieces.push(piece);
    if (this.response.statusCode !== 200 || this.problem) return;
    try {
      for (const block of this.reader.push(piece)) this.blocks.push(block);
    } catch (error) {
      this.problem = error;
    }
  }
}
