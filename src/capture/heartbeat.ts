import type { WebSocket } from 'ws';

const PERIOD_MS = 20_000;

/** After so many pings without an answer nobody is there any more. */
const MAX_UNANSWERED = 4;

/**
 * Pings a client as long as it lives, so that middleboxes keep idle connections and half-open ones end.
 *
 * A client that is behind in reading is neither pinged nor given up: it may have paused for minutes, it cannot
 * answer before it has read what is underway, and TCP itself finds out whether its machine is still there.
 */
export function startHeartbeat(client: WebSocket, periodMs = PERIOD_MS): void {
  let unanswered = 0;
  const timer = setInterval(() => {
    if (client.readyState !== client.OPEN || client.bufferedAmount > 0) return;
    if (unanswered >= MAX_UNANSWERED) {
      client.terminate();
      return;
    }
    unanswered++;
    client.ping();
  }, periodMs);
  client.on('pong', () => (unanswered = 0));
  client.once('close', () => clearInterval(timer));
}
