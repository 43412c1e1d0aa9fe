import type { WriteStream } from 'node:tty';
import { printable } from '../shared/printable.js';
import { BlockReader, type BlockHead } from '../shared/pcapng/block-reader.js';
import {
  ENHANCED_PACKET_BLOCK,
  IF_NAME,
  INTERFACE_DESCRIPTION_BLOCK,
  paddedLength,
  PACKET_CAPTURED_LENGTH_OFFSET,
  PACKET_INTERFACE_OFFSET,
  SECTION_HEADER_BLOCK,
  SIMPLE_PACKET_BLOCK,
  SIMPLE_PACKET_ORIGINAL_LENGTH_OFFSET,
} from '../shared/pcapng/format.js';

const REFRESH_INTERVAL_MS = 500;
const DEFAULT_COLUMNS = 80;
/** Longest name of a target that is shown, in characters. */
const MAX_NAME_LENGTH = 40;

/** Up to and including the captured length of an enhanced packet block. */
const HEAD_BYTES = PACKET_CAPTURED_LENGTH_OFFSET + 4;
/** Enough for the comments and the name of an interface of a set. */
const INTERFACE_HEAD_BYTES = 16 * 1024;
/** Of an interface description block: its options begin after the link type and the snapshot length. */
const INTERFACE_OPTIONS_OFFSET = 16;
/** Bytes of a simple packet block that are not packet data. */
const SIMPLE_PACKET_OVERHEAD_BYTES = 16;

/** Counts the packets of a pcapng stream that arrives in chunks. Stops counting when the stream is not valid. */
export class PacketCounter {
  packets = 0;
  /** Captured bytes of all packets, without the framing of the format. */
  bytes = 0;
  /** Packets by the name of the target, which is the part of an interface's name before the last colon. */
  readonly byTarget = new Map<string, number>();
  /** Names of the targets by the ids of their interfaces. */
  private targets: string[] = [];
  private readonly reader = new BlockReader((block) => this.count(block), {
    headBytes: HEAD_BYTES,
    interfaceHeadBytes: INTERFACE_HEAD_BYTES,
  });

  get malformed(): boolean {
    return this.reader.malformed;
  }

  add(chunk: Uint8Array): void {
    this.reader.push(chunk);
  }

  private count(block: BlockHead): void {
    const { type, totalLength } = block;
    if (type === SECTION_HEADER_BLOCK) {
      this.targets = [];
      return;
    }
    if (type === INTERFACE_DESCRIPTION_BLOCK) {
      this.targets.push(targetOf(block, this.reader.isLittleEndian));
      return;
    }
    if (type === ENHANCED_PACKET_BLOCK) {
      this.bytes += block.uint32(PACKET_CAPTURED_LENGTH_OFFSET);
      const target = this.targets[block.uint32(PACKET_INTERFACE_OFFSET)];
      if (target) this.byTarget.set(target, (this.byTarget.get(target) ?? 0) + 1);
    } else if (type === SIMPLE_PACKET_BLOCK) {
      const originalLength = block.uint32(SIMPLE_PACKET_ORIGINAL_LENGTH_OFFSET);
      this.bytes += Math.min(originalLength, totalLength - SIMPLE_PACKET_OVERHEAD_BYTES);
    } else {
      return;
    }
    this.packets += 1;
  }
}

/** @returns the target that an interface of a set belongs to; empty: it is no interface of a set */
function targetOf({ bytes, totalLength }: BlockHead, littleEndian: boolean): string {
  const uint16 = (offset: number): number =>
    littleEndian ? bytes.readUInt16LE(offset) : bytes.readUInt16BE(offset);
  const end = Math.min(bytes.length, totalLength - 4);
  for (let offset = INTERFACE_OPTIONS_OFFSET; offset + 4 <= end;) {
    const length = uint16(offset + 2);
    if (uint16(offset) === IF_NAME) {
      const name = bytes.toString('utf8', offset + 4, Math.min(offset + 4 + length, end));
      return name.slice(0, Math.max(0, name.lastIndexOf(':')));
    }
    offset += 4 + paddedLength(length);
  }
  return '';
}

/**
 * Shows the number of packets and bytes in one line of a terminal, and the packets of each target as far as there is room.
 * Without a terminal it prints them only once, at the end, and only if they are the purpose of the command.
 */
export class Progress {
  private timer: NodeJS.Timeout | undefined;
  private started = false;
  private shownLength = 0;

  /** @param isPurpose whether the packets are only counted, not written */
  constructor(
    private readonly counter: PacketCounter,
    private readonly screen: Pick<WriteStream, 'write' | 'isTTY'> & { readonly columns?: number },
    private readonly isPurpose: boolean,
  ) {}

  start(): void {
    this.started = true;
    if (!this.screen.isTTY) return;
    this.show();
    this.timer = setInterval(() => this.show(), REFRESH_INTERVAL_MS);
  }

  /** Shows the final numbers and ends the line. */
  stop(): void {
    if (!this.started) return;
    clearInterval(this.timer);
    if (this.screen.isTTY) this.write('\n');
    else if (this.isPurpose) this.screen.write(`${this.summary()}\n`);
  }

  private show(): void {
    this.write('');
  }

  /** The line may be shorter than the last one: the name of a target may have moved. */
  private write(end: string): void {
    const line = `${this.summary()}${this.targets()}`;
    this.screen.write(`\r${line.padEnd(this.shownLength)} ${end}`);
    this.shownLength = line.length;
  }

  private targets(): string {
    const room = (this.screen.columns ?? DEFAULT_COLUMNS) - this.summary().length - 2;
    const most = [...this.counter.byTarget].sort(([, a], [, b]) => b - a);
    let text = '';
    for (const [name, packets] of most) {
      const more = `${text === '' ? ': ' : ', '}${printable(name, MAX_NAME_LENGTH)} ${packets}`;
      if (text.length + more.length > room) break;
      text += more;
    }
    return text;
  }

  private summary(): string {
    const { packets, bytes, malformed } = this.counter;
    const unit = packets === 1 ? 'packet' : 'packets';
    const suffix = malformed ? ' (then the stream is not valid pcapng)' : '';
    return `${packets} ${unit}, ${bytes} bytes${suffix}`;
  }
}
