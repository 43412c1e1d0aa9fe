import type { Socket } from 'node:net';

/** What counts of a client's connection here. */
type Connection = Pick<Socket, 'bytesWritten' | 'writableLength'>;

interface Watched {
  acceptedBytes: number;
  stalled: boolean;
}

/** Between two looks. A client that did not take anything in between stalls. */
const LOOK_MS = 1_000;

/**
 * Counts clients that do not take what there is for them: something waits in this process, and the kernel has taken no
 * whole piece of it since the last look; pieces have 256 KiB at most. Looks at all of them now and then, so that their streams cost nothing more.
 */
export class ClientStalls {
  private readonly watched = new Map<Connection, Watched>();
  private timer?: NodeJS.Timeout;
  private lastLookMs = 0;
  /** How often a client began to stall. */
  count = 0;
  /** How long they stalled, summed up. */
  seconds = 0;

  /** How many stall now. */
  get now(): number {
    return [...this.watched.values()].filter(({ stalled }) => stalled).length;
  }

  /** @returns ends the watch */
  watch(connection: Connection): () => void {
    this.watched.set(connection, { acceptedBytes: accepted(connection), stalled: false });
    if (!this.timer) {
      this.lastLookMs = performance.now();
      this.timer = setInterval(() => this.look(), LOOK_MS);
    }
    return () => {
      this.watched.delete(connection);
      if (this.watched.size > 0) return;
      clearInterval(this.timer);
      this.timer = undefined;
    };
  }

  private look(): void {
    const elapsedSeconds = (performance.now() - this.lastLookMs) / 1000;
    this.lastLookMs += elapsedSeconds * 1000;
    for (const [connection, watched] of this.watched) {
      const acceptedBytes = accepted(connection);
      const stalls = connection.writableLength > 0 && acceptedBytes === watched.acceptedBytes;
      if (stalls && !watched.stalled) this.count++;
      if (stalls) this.seconds += elapsedSeconds;
      Object.assign(watched, { acceptedBytes, stalled: stalls });
    }
  }
}

/** All that the kernel ever took of what we sent. */
function accepted({ bytesWritten, writableLength }: Connection): number {
  return bytesWritten - writableLength;
}
