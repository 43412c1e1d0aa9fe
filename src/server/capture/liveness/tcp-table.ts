import { readFile } from 'node:fs/promises';
import { endianness } from 'node:os';
import { ipv6Bytes } from '../../../shared/client-network.js';

/** The kernel's state of the sending side of a connection. */
export interface TcpState {
  /** Bytes in the send buffer that the peer's kernel has not acknowledged. */
  readonly unacknowledgedBytes: number;
  /** Consecutive unanswered window probes; undefined: the window is not zero. */
  readonly unansweredProbes?: number;
}

/** Both ends of a connection, with the attribute names of `net.Socket`. */
export interface TcpEnds {
  readonly localAddress?: string;
  readonly localPort?: number;
  readonly remoteAddress?: string;
  readonly remotePort?: number;
}

/** Columns: local and remote end, state, queues, timer and its time, retransmissions, uid, probes; see proc_pid_net(5). */
const ROW = /^ *\d+: (\S+ \S+) \S+ (\S+):\S+ (\S+):\S+ \S+ +\d+ +(\d+) /gm;

/** `timer_active`: the peer's window is zero, and window probes are sent. */
const ZERO_WINDOW_TIMER = '04';

/** All TCP connections of this network namespace at one moment. Reading them needs no privileges. */
export class TcpTable {
  private readonly rows = new Map<string, TcpState>();

  /** @param texts contents of files such as /proc/self/net/tcp */
  constructor(texts: readonly string[]) {
    for (const [, ends = '', queued = '', timer, probes] of texts.flatMap((text) => [
      ...text.matchAll(ROW),
    ])) {
      this.rows.set(ends, {
        unacknowledgedBytes: parseInt(queued, 16),
        ...(timer === ZERO_WINDOW_TIMER ? { unansweredProbes: Number(probes) } : {}),
      });
    }
  }

  static async read(): Promise<TcpTable> {
    // Without IPv6 the second file does not exist.
    const files = ['/proc/self/net/tcp', '/proc/self/net/tcp6'].map((path) =>
      readFile(path, 'latin1').catch(() => ''),
    );
    return new TcpTable(await Promise.all(files));
  }

  /** Undefined when there is no such connection. */
  find({ localAddress, localPort, remoteAddress, remotePort }: TcpEnds): TcpState | undefined {
    if (localAddress === undefined || remoteAddress === undefined) return undefined;
    return this.rows.get(
      `${kernelNotation(localAddress, localPort)} ${kernelNotation(remoteAddress, remotePort)}`,
    );
  }
}

/** The kernel prints addresses in hexadecimal, as words of four bytes in the byte order of the machine. */
export function kernelNotation(address: string, port = 0, order = endianness()): string {
  const bytes = address.includes(':') ? ipv6Bytes(address) : address.split('.').map(Number);
  const words: string[] = [];
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.slice(at, at + 4);
    words.push(Buffer.from(order === 'LE' ? word.reverse() : word).toString('hex'));
  }
  return `${words.join('')}:${port.toString(16).padStart(4, '0')}`.toUpperCase();
}
