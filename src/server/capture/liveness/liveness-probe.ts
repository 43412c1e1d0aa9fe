import type { LivenessTiming } from './client-liveness.js';
import type { TcpState } from './tcp-table.js';

/** What this process can observe of a connection. */
export interface Connection {
  readonly isOpen: boolean;
  /** Bytes received since the connection was opened. */
  readonly receivedBytes: number;
  /** Bytes that the kernel has accepted for sending since then; they may still be in its buffer. */
  readonly acceptedBytes: number;
  /** Bytes that wait in this process. */
  readonly waitingBytes: number;
  /** Absent: there is nothing to send that would be answered. */
  ping?(): void;
}

/**
 * Decides whether a client still exists, from signs of life and from how long there was none.
 *
 * A pong is a sign of life, but its absence proves nothing: a slow client answers a ping only after it has read the
 * megabytes before it, and a stopped one (a debugger, a suspended Wireshark) does not answer. That the kernel accepts
 * bytes proves nothing either: it accepts megabytes for a host that has disappeared. So silence is what counts, and
 * the kernel's TCP state is read to judge it:
 *
 * - Bytes that the peer's kernel acknowledges were received by a host that exists. As long as nothing else waits, pings
 *   are sent repeatedly, so that there is always something to acknowledge.
 * - Acknowledged bytes are those that the kernel accepted less those that it still holds. Part of a chunk that is just
 *   being written may be held but not yet counted as accepted, so the difference may lag by that chunk: only a new
 *   maximum is progress.
 * - A download has no pings. While it is quiet, the kernel sends keep-alive probes (tcp(7)), and counts those that are not answered.
 * - A peer with a zero window acknowledges nothing new, but its kernel answers window probes. One probe may be lost,
 *   and the next one is sent after twice the time: only two unanswered probes are silence.
 */
export class LivenessProbe {
  private receivedBytes = 0;
  private lastPingMs: number;
  private lastPingEnd = Infinity;
  private lastSignMs: number;
  /** Maximum of acknowledged bytes during this silence; undefined: not determined yet. */
  private acknowledgedBytes?: number;

  constructor(
    private readonly connection: Connection,
    private readonly timing: LivenessTiming,
    nowMs: number,
  ) {
    this.lastPingMs = nowMs;
    this.lastSignMs = nowMs;
  }

  /** Checks for signs of life and sends pings. True if the silence lasts so long that the TCP state should be read. */
  poll(nowMs: number): boolean {
    const { connection, timing } = this;
    // After a close, the websocket library ends the connection in time.
    if (!connection.isOpen) return false;
    if (connection.receivedBytes !== this.receivedBytes) {
      this.receivedBytes = connection.receivedBytes;
      this.signOfLife(nowMs);
    }
    // Waiting bytes would only delay a ping, and the peer acknowledges them just as well.
    const isDue = nowMs - this.lastPingMs >= timing.pingIntervalMs && connection.waitingBytes === 0;
    if (connection.ping && isDue) {
      connection.ping();
      this.lastPingMs = nowMs;
      this.lastPingEnd = connection.acceptedBytes + connection.waitingBytes;
    }
    const suspicious = nowMs - this.lastSignMs >= timing.suspiciousAfterMs;
    if (!suspicious) this.acknowledgedBytes = undefined;
    return suspicious;
  }

  /**
   * Judges a silent client by its TCP state.
   *
   * @param acceptedBytes of the connection, taken *before* the TCP state was read: bytes that are sent meanwhile then
   *   count as not acknowledged, never the other way round
   * @returns whether the client has disappeared
   */
  isGone(tcp: TcpState | undefined, acceptedBytes: number, nowMs: number): boolean {
    if (!this.connection.isOpen || this.connection.receivedBytes !== this.receivedBytes) return false;
    // The state is unknown when the connection is not found; the kernel itself gives up after a quarter of an hour.
    if (tcp === undefined) this.signOfLife(nowMs);
    else this.note(tcp, acceptedBytes - tcp.unacknowledgedBytes, nowMs);
    if (tcp?.unansweredProbes === 1) return false;
    const isQuiet = this.connection.waitingBytes === 0;
    const timeoutMs = isQuiet ? this.timing.quietTimeoutMs : this.timing.busyTimeoutMs;
    return nowMs - this.lastSignMs >= timeoutMs;
  }

  private note({ unansweredProbes }: TcpState, acknowledgedBytes: number, nowMs: number): void {
    const before = this.acknowledgedBytes;
    if (unansweredProbes === 0 || (before !== undefined && acknowledgedBytes > before)) {
      this.signOfLife(nowMs);
    } else if (acknowledgedBytes >= this.lastPingEnd) this.signOfLife(this.lastPingMs);
    this.acknowledgedBytes = Math.max(acknowledgedBytes, before ?? 0);
  }

  private signOfLife(atMs: number): void {
    this.lastSignMs = Math.max(this.lastSignMs, atMs);
  }
}
