import { open } from 'node:fs/promises';
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
const ROW = /^ *\d+: (\S+ \S+) \S+ (\S+):\S+ (\S+):\S+ \S+ +\d+ +(\d+) /;

/** `timer_active`: the peer's window is zero, and window probes are sent. */
const ZERO_WINDOW_TIMER = '04';

/** 200,000 connections; what comes after them is not found. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;

/** The state of some TCP connections of this network namespace at one moment. Reading it needs no privileges. */
export class TcpTable {
  private readonly rows = new Map<string, TcpState | undefined>();

  /** @param connections the only ones that can be found, since other programs may have any number of them */
  constructor(connections: Iterable<TcpEnds>) {
    for (const connection of connections) this.rows.set(keyOf(connection), undefined);
  }

  static async read(connections: Iterable<TcpEnds>): Promise<TcpTable> {
    const table = new TcpTable(connections);
    for (const path of ['/proc/self/net/tcp', '/proc/self/net/tcp6']) {
      try {
        const file = await open(path);
        const lines = file.readLines({ encoding: 'latin1', end: MAX_FILE_BYTES - 1 });
        for await (const line of lines) table.add(line);
      } catch {
        // ENOENT: without IPv6, there is no second file. Or there are no descriptors or memory left: the next poll tries again.
      }
    }
    return table;
  }

  /** @param line of a file such as /proc/self/net/tcp */
  add(line: string): void {
    const [, key = '', queued = '', timer, probes] = ROW.exec(line) ?? [];
    if (!this.rows.has(key)) return;
    this.rows.set(key, {
      unacknowledgedBytes: parseInt(queued, 16),
      ...(timer === ZERO_WINDOW_TIMER ? { unansweredProbes: Number(probes) } : {}),
    });
  }

  /** Undefined when there is no such connection. */
  find(connection: TcpEnds): TcpState | undefined {
    return this.rows.get(keyOf(connection));
  }
}

function keyOf({ localAddress = '', localPort, remoteAddress = '', remotePort }: TcpEnds): string {
  return `${kernelNotation(localAddress, localPort)} ${kernelNotation(remoteAddress, remotePort)}`;
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
