import type { HeartbeatTiming } from './heartbeat-timing.js';
import type { TcpState } from './tcp-table.js';

/** What can be seen of a connection from here. */
export interface Connection {
  readonly isOpen: boolean;
  /** All that ever came. */
  readonly receivedBytes: number;
  /** All that the kernel ever took of what we sent: it may still lie there. */
  readonly acceptedBytes: number;
  /** Sent, and not taken by the kernel yet. */
  readonly waitingBytes: number;
  ping(): void;
}

/**
 * Whether a client is still there, told from signs of life and from how long there was none.
 *
 * A pong is a sign, but its absence proves nothing: a slow client answers a ping when it has read the megabytes before
 * it, and one that is stopped (a debugger, a suspended Wireshark) not at all. Nor does the kernel taking bytes prove
 * anything: it takes megabytes for a machine that is gone. So silence is what counts, and TCP is asked about it:
 *
 * - What the peer's kernel acknowledges was received by a machine that is there. As long as nothing else waits we
 *   ping, again and again, so there always is something to acknowledge.
 * - Acknowledged is what the kernel took of us less what it still holds. A part of the piece that it is just taking is
 *   held already but not counted as taken, so the difference lags, at most by that piece: only a new maximum is progress.
 * - Who has no room left acknowledges nothing new, but its kernel answers when asked for room. One such question may be
 *   lost, and the next comes twice as late: only two without an answer are silence.
 */
export class LivenessProbe {
  private receivedBytes = 0;
  private lastPingMs: number;
  private lastPingEnd = Infinity;
  private lastSignMs: number;
  /** The most that we saw acknowledged in this silence; undefined: not looked yet. */
  private acknowledgedBytes?: number;

  constructor(
    private readonly connection: Connection,
    private readonly timing: HeartbeatTiming,
    nowMs: number,
  ) {
    this.lastPingMs = nowMs;
    this.lastSignMs = nowMs;
  }

  /** Listens and pings. True when the silence lasts so long that TCP should be asked. */
  beat(nowMs: number): boolean {
    const { connection, timing } = this;
    // From a close on, others see to it that the connection ends in time.
    if (!connection.isOpen) return false;
    if (connection.receivedBytes !== this.receivedBytes) {
      this.receivedBytes = connection.receivedBytes;
      this.signOfLife(nowMs);
    }
    // What waits already would only delay a ping, and is as good for being acknowledged.
    if (nowMs - this.lastPingMs >= timing.pingMs && connection.waitingBytes === 0) {
      connection.ping();
      this.lastPingMs = nowMs;
      this.lastPingEnd = connection.acceptedBytes + connection.waitingBytes;
    }
    const suspicious = nowMs - this.lastSignMs >= timing.suspiciousMs;
    if (!suspicious) this.acknowledgedBytes = undefined;
    return suspicious;
  }

  /**
   * Takes what TCP says about a silent client.
   *
   * @param acceptedBytes of the connection, seen *before* TCP was asked: then bytes that were sent meanwhile count as
   *   not acknowledged, never the other way round
   * @returns whether nobody is there any more
   */
  isGone(tcp: TcpState | undefined, acceptedBytes: number, nowMs: number): boolean {
    if (!this.connection.isOpen || this.connection.receivedBytes !== this.receivedBytes) return false;
    // Not to be found, so nothing is known: the kernel itself gives up after a quarter of an hour.
    if (tcp === undefined) this.signOfLife(nowMs);
    else this.note(tcp, acceptedBytes - tcp.unacknowledgedBytes, nowMs);
    if (tcp?.unansweredProbes === 1) return false;
    const quiet = this.connection.waitingBytes === 0;
    const patienceMs = quiet ? this.timing.quietPatienceMs : this.timing.busyPatienceMs;
    return nowMs - this.lastSignMs >= patienceMs;
  }

  private note({ unansweredProbes }: TcpState, acknowledgedBytes: number, nowMs: number): void {
    const before = this.acknowledgedBytes;
    if (unansweredProbes === 0 || (before !== undefined && acknowledgedBytes > before))
      this.signOfLife(nowMs);
    else if (acknowledgedBytes >= this.lastPingEnd) this.signOfLife(this.lastPingMs);
    this.acknowledgedBytes = Math.max(acknowledgedBytes, before ?? 0);
  }

  private signOfLife(atMs: number): void {
    this.lastSignMs = Math.max(this.lastSignMs, atMs);
  }
}
