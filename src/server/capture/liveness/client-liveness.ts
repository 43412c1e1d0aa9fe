import { Injectable } from '@nestjs/common';
import type { ClientConnection } from '../../http/client-connection.js';
import type { CaptureClient } from '../capture-client.js';
import { LivenessProbe, type Connection } from './liveness-probe.js';
import { TcpTable } from './tcp-table.js';

/** How soon a client that disappeared without closing is noticed. Injectable, so that tests can wait less. */
@Injectable()
export class LivenessTiming {
  /** Interval of pings. Proxies close connections that are idle for 30 s (some) or 60 s (nginx). */
  readonly pingIntervalMs: number = 20_000;

  /** Interval at which all clients are checked. */
  readonly pollIntervalMs: number = 1_000;

  /** Silence after which the last ping is unanswered: from then on the TCP table is read, which costs some CPU. */
  readonly suspiciousAfterMs: number = 22_500;

  /** Silence that ends a quiet capture: an unanswered ping and ample time to answer. In all well under 40 s. */
  readonly quietTimeoutMs: number = 33_000;

  /** Silence that ends a busy capture, whose client reads slowly: a network may fail for a minute. In all under 2 min. */
  readonly busyTimeoutMs: number = 90_000;
}

type LiveClient = Pick<CaptureClient, 'isOpen' | 'connection' | 'closed' | 'ping'>;

interface WatchedClient {
  readonly connection: ClientConnection;
  readonly probe: LivenessProbe;
  readonly onGone: () => void;
}

/** Pings all clients, so that proxies keep quiet connections open, and notices clients that have disappeared. */
@Injectable()
export class ClientLiveness {
  private readonly clients = new Set<WatchedClient>();
  private timer?: NodeJS.Timeout;
  private isReadingTable = false;
  private lastPollMs = 0;
  /** Time during which this process ran. If it was stopped for a minute, all clients would seem to be silent. */
  private runningMs = 0;

  constructor(private readonly timing: LivenessTiming) {}

  /** @param onGone must cut the connection */
  watch(client: LiveClient, onGone: () => void): void {
    const probe = new LivenessProbe(observed(client), this.timing, this.runningMs);
    const watched: WatchedClient = { connection: client.connection, probe, onGone };
    this.clients.add(watched);
    void client.closed.then(() => this.unwatch(watched));
    if (this.timer) return;
    this.lastPollMs = performance.now();
    this.timer = setInterval(() => void this.poll(), this.timing.pollIntervalMs);
  }

  private unwatch(watched: WatchedClient): void {
    this.clients.delete(watched);
    if (this.clients.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private async poll(): Promise<void> {
    const elapsedMs = performance.now() - this.lastPollMs;
    this.lastPollMs += elapsedMs;
    const nowMs = (this.runningMs += Math.min(elapsedMs, 2 * this.timing.pollIntervalMs));
    const silent = [...this.clients].filter(({ probe }) => probe.poll(nowMs));
    // The kernel needs a while for ten thousand connections: one reader at a time.
    if (silent.length === 0 || this.isReadingTable) return;
    this.isReadingTable = true;
    const before = silent.map((watched) => ({
      ...watched,
      acceptedBytes: watched.connection.acceptedBytes,
    }));
    const table = await TcpTable.read(silent.map(({ connection }) => connection.socket));
    this.isReadingTable = false;
    for (const { connection, probe, onGone, acceptedBytes } of before) {
      if (probe.isGone(table.find(connection.socket), acceptedBytes, nowMs)) onGone();
    }
  }
}

function observed(client: LiveClient): Connection {
  const { connection } = client;
  return {
    get isOpen() {
      return client.isOpen;
    },
    get receivedBytes() {
      return connection.receivedBytes;
    },
    get acceptedBytes() {
      return connection.acceptedBytes;
    },
    get waitingBytes() {
      return connection.waitingBytes;
    },
    ...(client.ping && { ping: () => client.ping?.() }),
  };
}
