import { createWriteStream, fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';

const STANDARD_OUTPUT = 1;

/** Where the packets go. */
export interface PacketOutput {
  /** Returns false when the writer must pause until `onDrain` is called. */
  write(chunk: Uint8Array): boolean;
  /** Called when there is room again, and when the output has failed: it then discards everything. */
  onDrain: () => void;
  /** Called once when writing has failed. */
  onBroken: (error: NodeJS.ErrnoException) => void;
  /** Settles when everything is written, or the output has failed. */
  finish(): Promise<void>;
}

/** Opens standard output for '-', otherwise a file, which is created only when the first packets arrive. */
export function openOutput(target: string | undefined): PacketOutput {
  if (target === undefined) return new NoOutput();
  return new StreamOutput(() => (target === '-' ? openStandardOutput() : createWriteStream(target)));
}

/**
 * Not `process.stdout`: while a pipe is full, that blocks the whole process, including the handling of Ctrl-C.
 * https://nodejs.org/api/process.html#a-note-on-process-io
 */
function openStandardOutput(): Writable {
  const kind = fstatSync(STANDARD_OUTPUT);
  if (kind.isFIFO() || kind.isSocket())
    return new Socket({ fd: STANDARD_OUTPUT, readable: false, writable: true });
  return createWriteStream('', { fd: STANDARD_OUTPUT });
}

/** For a capture that is only counted. */
class NoOutput implements PacketOutput {
  onDrain = (): void => {};
  onBroken = (): void => {};

  write(): boolean {
    return true;
  }

  finish(): Promise<void> {
    return Promise.resolve();
  }
}

export class StreamOutput implements PacketOutput {
  onDrain: () => void = () => {};
  onBroken: (error: NodeJS.ErrnoException) => void = () => {};

  private stream: Writable | undefined;
  private broken = false;
  private readonly brokenPromise = Promise.withResolvers<void>();

  constructor(private readonly open: () => Writable) {}

  write(chunk: Uint8Array): boolean {
    if (this.broken) return true;
    this.stream ??= this.openStream();
    return this.stream.write(chunk);
  }

  async finish(): Promise<void> {
    const stream = this.stream;
    if (stream === undefined || this.broken) return;
    const ended = new Promise<void>((resolve) => stream.end(() => resolve()));
    await Promise.race([ended, this.brokenPromise.promise]);
  }

  private openStream(): Writable {
    const stream = this.open();
    stream.on('drain', () => this.onDrain());
    stream.on('error', (error) => this.breakOff(error));
    // The standard input of a program that has ended is closed without an error.
    stream.on('close', () => {
      if (!stream.writableFinished) this.breakOff(Object.assign(new Error('closed'), { code: 'EPIPE' }));
    });
    return stream;
  }

  private breakOff(error: NodeJS.ErrnoException): void {
    if (this.broken) return;
    this.broken = true;
    this.brokenPromise.resolve();
    this.onBroken(error);
    this.onDrain();
  }
}
