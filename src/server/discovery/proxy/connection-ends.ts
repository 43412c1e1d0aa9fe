import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { onceClientLeaves } from '../../http/once-client-leaves.js';

/** GhostWire did not begin to answer in time. */
export class AnswerTimeoutError extends Error {
  readonly code = 'ETIMEDOUT';

  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs / 1000} s`);
    this.name = 'AnswerTimeoutError';
  }
}

/**
 * Destroys a request to GhostWire if its answer does not begin in time. The duration of the answer is not limited: the
 * `proxyTimeout` of the library, a timeout of the idle socket, would end quiet event streams (http-party/node-http-proxy
 * issue 921) and does not apply to websockets (issue 1223). The time starts again when the client has sent its whole
 * request, and does not expire during an upload that makes progress.
 */
export function limitTimeToAnswer(
  timeoutMs: number,
  upstream: ClientRequest,
  request: IncomingMessage,
): void {
  let bytesSent = upstream.socket?.bytesWritten ?? 0;
  const check = (): void => {
    const bytesSentNow = upstream.socket?.bytesWritten ?? 0;
    if (!request.complete && bytesSentNow > bytesSent) {
      bytesSent = bytesSentNow;
      timer.refresh();
    } else {
      upstream.destroy(new AnswerTimeoutError(timeoutMs));
    }
  };
  const timer = setTimeout(check, timeoutMs);
  const refresh = () => timer.refresh();
  const stop = () => {
    clearTimeout(timer);
    // `refresh` would restart a cleared timer.
    request.off('end', refresh);
  };
  request.once('end', refresh);
  upstream.once('response', stop).once('upgrade', stop).once('close', stop);
}

/** Websockets have no half-closed state: after the end of one side, data in transit is delivered for this time at most. */
const LINGER_MS = 10_000;

/** Aborts a websocket handshake if the client closes its connection, which the library does not notice. */
export function abortWithClient(handshake: ClientRequest, client: Socket): void {
  const stop = onceClientLeaves(client, () => void handshake.destroy());
  handshake.once('response', stop).once('upgrade', stop).once('close', stop);
}

/**
 * Closes each of two piped connections when the other one closes, after the data in transit has been delivered. The
 * pipes of the library end both sides in an orderly close, but leave one open if the other is destroyed.
 */
export function closeTogether(one: Socket, other: Socket): void {
  closeAfter(one, other);
  closeAfter(other, one);
}

function closeAfter(follower: Socket, leader: Socket): void {
  leader.once('end', () => {
    const linger = setTimeout(() => leader.destroy(), LINGER_MS).unref();
    leader.once('close', () => clearTimeout(linger));
  });
  leader.once('close', (hadError) => {
    if (hadError) follower.destroy();
    else follower.destroySoon();
    const linger = setTimeout(() => follower.destroy(), LINGER_MS).unref();
    follower.once('close', () => clearTimeout(linger));
  });
}
