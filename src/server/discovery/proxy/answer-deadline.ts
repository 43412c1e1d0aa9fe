import type { ClientRequest, IncomingMessage } from 'node:http';

/** GhostWire was reached, or perhaps not, but did not begin to answer in time. */
export class AnswerLateError extends Error {
  readonly code = 'ETIMEDOUT';

  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs / 1000} s`);
    this.name = 'AnswerLateError';
  }
}

/**
 * Ends a request whose answer does not begin in time. How long the answer then takes is its own affair: Node's own
 * timeouts would cut quiet event streams. The time begins anew when the client has sent all, and an upload that makes
 * progress is not late at all.
 */
export function expectAnswerWithin(timeoutMs: number, asked: ClientRequest, from: IncomingMessage): void {
  let bytesSent = asked.socket?.bytesWritten ?? 0;
  const check = (): void => {
    const bytesSentNow = asked.socket?.bytesWritten ?? 0;
    if (!from.complete && bytesSentNow > bytesSent) {
      bytesSent = bytesSentNow;
      timer.refresh();
    } else {
      asked.destroy(new AnswerLateError(timeoutMs));
    }
  };
  const timer = setTimeout(check, timeoutMs);
  const refresh = () => timer.refresh();
  const stop = () => {
    clearTimeout(timer);
    // A cleared timer would come alive again.
    from.off('end', refresh);
  };
  from.once('end', refresh);
  asked.once('response', stop).once('upgrade', stop).once('close', stop);
}
