import type { ClientConnection } from '../http/client-connection.js';

/** The relevant part of a client's connection. */
type Connection = Pick<ClientConnection, 'acceptedBytes' | 'waitingBytes'>;

interface Watched {
  acceptedBytes: number;
  stalled: boolean;
}

/** A client that accepts nothing during this interval stalls. */
const POLL_INTERVAL_MS = 1_000;

/**
 * Counts clients that do not read: bytes wait for them, and since the last poll the kernel has accepted none. All
 * clients are polled, so that nothing is added to the path of their streams.
 */
export class ClientStalls {
  private readonly watched = new Map<Connection, Watched>();
  private timer?: NodeJS.Timeout;
  private lastPollMs = 0;
  /** Times that a client began to stall. */
  count = 0;
  /** Sum of the time that clients stalled. */
  seconds = 0;

  /** Number of clients that stall now. */
  get now(): number {
    return [...this.watched.values()].filter(({ stalled }) => stalled).length;
  }

  isStalled(connection: Connection): boolean {
    return this.watched.get(connection)?.stalled === true;
  }

  /** @returns stops watching */
  watch(connection: Connection): () => void {
    this.watched.set(connection, { acceptedBytes: connection.acceptedBytes, stalled: false });
    if (!this.timer) {
      this.lastPollMs = performance.now();
      this.timer = setInterval(() => this.poll(), POLL_INTERVAL_MS);
    }
    return () => {
      this.watched.delete(connection);
      if (this.watched.size > 0) return;
      clearInterval(this.timer);
      this.timer = undefined;
    };
  }

  private poll(): void {
    const elapsedSeconds = (performance.now() - this.lastPollMs) / 1000;
    this.lastPollMs += elapsedSeconds * 1000;
    for (const [connection, watched] of this.watched) {
      const { acceptedBytes } = connection;
      const stalls = connection.waitingBytes > 0 && acceptedBytes === watched.acceptedBytes;
      if (stalls && !watched.stalled) this.count++;
      if (stalls) this.seconds += elapsedSeconds;
      Object.assign(watched, { acceptedBytes, stalled: stalls });
    }
  }
}
