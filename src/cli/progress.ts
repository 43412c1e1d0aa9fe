import type { WriteStream } from 'node:tty';
import type { PacketCounter } from './packet-counter.js';

const REFRESH_MS = 500;

/** Keeps one line on a terminal that says how far the capture is; silent where there is no terminal. */
export class Progress {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly counter: PacketCounter,
    private readonly screen: Pick<WriteStream, 'write' | 'isTTY'>,
  ) {}

  start(): void {
    if (!this.screen.isTTY) return;
    this.show();
    this.timer = setInterval(() => this.show(), REFRESH_MS);
  }

  /** Shows the last numbers and leaves the line. */
  stop(): void {
    if (this.timer === undefined) return;
    clearInterval(this.timer);
    this.show();
    this.screen.write('\n');
  }

  private show(): void {
    this.screen.write(`\r${describeCount(this.counter)} `);
  }
}

export function describeCount({ packets, bytes, lost }: PacketCounter): string {
  const unit = packets === 1 ? 'packet' : 'packets';
  return `${packets} ${unit}, ${bytes} bytes${lost ? ' (then something that is no pcapng)' : ''}`;
}
